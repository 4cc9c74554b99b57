// A fleet of booted hosts whose service fails over by itself, and the rounds that are played on it: which fault comes
// next is drawn from a seed, and each comes once before any comes again.
import { createRandom } from '../../sim/random.js';
import { bootCortexHosts, deployCortex, type CortexOnHosts } from '../cortex-on-hosts.js';
import { faults as all, type Fault } from './faults.js';
import { noteController, playRound, type RoundResult } from './round.js';

export interface Rounds {
  readonly cortex: CortexOnHosts;
  /** This fault, or the next one of the seed. @throws Error when the service does not come right again. */
  play(fault?: Fault): Promise<RoundResult>;
  results(): readonly RoundResult[];
  close(): Promise<void>;
}

const POLICY =
  '{ mode: automatic, onIsolation: stop, lease: 5s, stopGrace: 3s, restartAfter: 15s }';

export async function openRounds(seed: number, faults: readonly Fault[] = all): Promise<Rounds> {
  const cortex = await bootCortexHosts();
  noteController(cortex);
  try {
    await deployCortex(cortex, '2.170.0', POLICY);
  } catch (error) {
    await cortex.rig.keepArtifacts('rounds');
    await cortex.rig.dispose();
    throw error;
  }
  const results: RoundResult[] = [];
  const draw = drawer(seed, faults);
  return {
    cortex,
    results: () => results,
    close: () => cortex.rig.dispose(),
    play: async (fault = draw()) => {
      try {
        const result = await playRound(cortex, fault, results.length + 1);
        results.push(result);
        return result;
      } catch (error) {
        await cortex.rig.keepArtifacts(fault.name);
        throw new Error(`round ${results.length + 1}, ${fault.name}`, { cause: error });
      }
    },
  };
}

/** A shuffled deck that is shuffled anew when it is through. */
function drawer(seed: number, faults: readonly Fault[]): () => Fault {
  const random = createRandom(seed);
  let deck: Fault[] = [];
  return () => {
    if (deck.length === 0) deck = [...faults].sort((a, b) => a.name.localeCompare(b.name));
    const [drawn] = deck.splice(random.below(deck.length), 1);
    if (drawn === undefined) throw new Error('there is no fault to draw');
    return drawn;
  };
}
