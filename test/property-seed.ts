// Every property of a run begins with the same seed: a run that fails, fails again. Other seeds are for a person
// who looks for more: LEAFWARD_SEED=random, or LEAFWARD_SEED=<the seed that a failure printed>.
import fc from 'fast-check';

const wanted = process.env['LEAFWARD_SEED'];
if (wanted !== 'random') fc.configureGlobal({ seed: wanted === undefined ? 42 : Number(wanted) });
