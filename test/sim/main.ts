// npm run sim: one seed with its whole trace, many seeds on several threads, or a mistake until it is caught.
import { appendFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { faults as known } from './faults.js';
import { openFleets } from './fleets.js';
import { mutations, type Mistake } from './mutations.js';
import { isBad, told, type Verdict } from './verdict.js';
import { spread, type Seeds } from './work.js';

const USAGE = `npm run sim -- --seed N             one seed, with every event in a line
npm run sim -- --seeds N [--from N] [--jobs N] [--seconds N]   many seeds, none begun after so many seconds
npm run sim -- --mutate NAME|all [--seeds N]     until the mistake is caught (default: 60 seeds)
npm run sim -- … --with FAULT                    that kind of fault in every seed
npm run sim -- --list-mutations`;

/** Under two of them everything else of a small machine still runs. */
const MOST_JOBS = 2;
const MUTATION_SEEDS = 60;

interface Spread extends Seeds {
  readonly jobs: number;
}

async function many({ jobs, ...seeds }: Spread): Promise<number> {
  const started = performance.now();
  const bad: string[] = [];
  const sum = {
    seeds: 0,
    events: 0,
    virtualMs: 0,
    failovers: 0,
    handovers: 0,
    operations: 0,
    automatic: 0,
  };
  let excused = 0;
  const count = (verdict: Verdict): void => {
    sum.seeds += 1;
    sum.events += verdict.events;
    sum.virtualMs += verdict.virtualMs;
    for (const key of ['failovers', 'handovers', 'operations', 'automatic'] as const)
      sum[key] += verdict.counts[key];
    if (isBad(verdict)) {
      bad.push(`${told(verdict)}\nagain with: npm run sim -- --seed ${verdict.seed}`);
      console.log(told(verdict));
    } else if (verdict.waits.length > 0) excused += 1;
    if (sum.seeds % 500 === 0) console.log(`${sum.seeds} seeds, ${bad.length} bad`);
  };
  const works = Array.from({ length: jobs }, () => seeds);
  const unfinished = await spread(works, (news) => {
    if (news.kind === 'verdict') count(news.verdict);
  });
  for (const seed of unfinished)
    bad.push(`seed ${seed} did not end\nagain with: npm run sim -- --seed ${seed}`);
  if (sum.seeds === 0) bad.push('no seed was run: there was no time for one');
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `${sum.seeds} seeds in ${seconds.toFixed(0)} s (${(sum.seeds / seconds).toFixed(1)} a second): ` +
      `${(sum.virtualMs / 3_600_000).toFixed(1)} virtual hours, ${sum.events} events, ` +
      `${sum.operations} operations, ${sum.failovers} failovers (${sum.automatic} by themselves), ${sum.handovers} hand-overs; ` +
      `${excused} left with lasting harm; ${bad.length} bad`,
  );
  for (const one of bad) console.log(one);
  const { LEAFWARD_FAILURES: failures } = process.env;
  if (failures !== undefined && bad.length > 0)
    appendFileSync(failures, `simulation:\n${bad.join('\n')}\n`);
  return bad.length > 0 ? 1 : 0;
}

/** One row of a table for each mistake: how many seeds it took, and what caught it. */
async function untilCaught(
  wanted: readonly Mistake[],
  { jobs, ...seeds }: Spread,
): Promise<number> {
  let missed = 0;
  const works = Array.from({ length: Math.min(jobs, wanted.length) }, (_, job) => ({
    ...seeds,
    mistakes: wanted.filter((__, index) => index % jobs === job).map(({ name }) => name),
  }));
  await spread(works, (news) => {
    if (news.kind !== 'caught') return;
    const { name, seeds: count, by } = news.caught;
    if (by === undefined) missed += 1;
    console.log(`| ${name} | ${by === undefined ? `not in ${count}` : count} | ${by ?? ''} |`);
  });
  return missed > 0 ? 1 : 0;
}

async function one(
  seed: number,
  mutation: Mistake | undefined,
  faults: readonly string[],
): Promise<number> {
  const fleets = await openFleets(faults);
  const under = mutation === undefined ? fleets : await fleets.under(mutation);
  const verdict = await under.run(seed, console.log);
  console.log(told(verdict));
  for (const line of [...verdict.violations, ...verdict.waits]) console.log(`  ${line}`);
  return isBad(verdict) ? 1 : 0;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      from: { type: 'string', default: '1' },
      seconds: { type: 'string', default: 'Infinity' },
      jobs: { type: 'string', default: String(Math.min(MOST_JOBS, availableParallelism())) },
      mutate: { type: 'string' },
      with: { type: 'string', multiple: true, default: [] },
      'list-mutations': { type: 'boolean', default: false },
    },
  });
  if (values['list-mutations']) {
    for (const { name, file } of mutations) console.log(`${name.padEnd(28)} ${file}`);
    return 0;
  }
  const { mutate, with: faults } = values;
  const wanted = mutations.filter(({ name }) => mutate === 'all' || name === mutate);
  const unknown = faults.filter((kind) => !(kind in known));
  if ((mutate !== undefined && wanted.length === 0) || unknown.length > 0) {
    console.error(`not known: ${[mutate ?? '', ...unknown].join(' ')}; see --list-mutations`);
    return 2;
  }
  if (values.seed !== undefined) return one(Number(values.seed), wanted[0], faults);
  const count = Number(values.seeds ?? (mutate === undefined ? NaN : MUTATION_SEEDS));
  const [from, jobs, seconds] = [values.from, values.jobs, values.seconds].map(Number) as [
    number,
    number,
    number,
  ];
  if (![count, from, jobs].every((value) => Number.isSafeInteger(value)) || !(seconds > 0)) {
    console.error(USAGE);
    return 2;
  }
  const work = { from, to: from + count, faults, jobs, untilMs: Date.now() + seconds * 1000 };
  return mutate === undefined ? many(work) : untilCaught(wanted, work);
}

process.exitCode = await main();
