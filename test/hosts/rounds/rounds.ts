// A fleet of booted hosts whose service fails over by itself, and the rounds that are played on it: which fault comes
// next is drawn from a seed, and each comes once before any comes again.
import { createRandom } from '../../sim/random.js';
import {
  bootCortexHosts,
  DATA,
  deployCortex,
  UNIT,
  type CortexOnHosts,
} from '../cortex-on-hosts.js';
import { faults as all, type Fault } from './faults.js';
import { makeWhole, noteController, playRound, type RoundResult } from './round.js';

export interface Rounds {
  readonly cortex: CortexOnHosts;
  /** This fault, or the next one of the seed. @throws Error when the service does not come right again. */
  play(fault?: Fault): Promise<RoundResult>;
  results(): readonly RoundResult[];
  /** After a round that failed: heals whatever may still be broken. @throws Error when it stays so. */
  recover(): Promise<void>;
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
    recover: () => recover(cortex),
    close: () => cortex.rig.dispose(),
    play: async (fault = draw()) => {
      try {
        const result = await playRound(cortex, fault, results.length + 1);
        results.push(result);
        await tidyUp(cortex);
        return result;
      } catch (error) {
        await cortex.rig.keepArtifacts(fault.name);
        throw new Error(`round ${results.length + 1}, ${fault.name}`, { cause: error });
      }
    },
  };
}

/** What many rounds would pile up in the hosts' memory. */
async function tidyUp({ rig }: CortexOnHosts): Promise<void> {
  const vacuum = ['journalctl', '--quiet', '--rotate', '--vacuum-size=32M'];
  await Promise.all(rig.hosts.map((host) => host.tryExec(vacuum)));
}

/** Every fault ends in one of these, whichever it was; what is whole already is left alone. */
async function recover(cortex: CortexOnHosts): Promise<void> {
  const { rig, fleet } = cortex;
  for (const host of rig.hosts) {
    await host.volume(DATA).release();
    await host
      .volume(DATA)
      .thaw()
      .catch(() => undefined); // it did not hang
    if (!host.isUp()) await host.boot();
    await host.heal();
    for (const unit of [UNIT, 'docker.service'])
      await host.tryExec(['systemctl', 'kill', '--signal=SIGCONT', unit]);
    const wake = 'for id in $(docker ps --quiet); do docker kill --signal=CONT $id; done';
    await host.tryExec(['sh', '-c', wake]);
  }
  if (!fleet.controller().isRunning()) await fleet.startController();
  await makeWhole(cortex, '', undefined);
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
