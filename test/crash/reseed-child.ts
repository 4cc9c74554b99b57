// One life of an agent that reseeds a retired member and is killed in it: at its n-th journal record, or in the middle
// of the seed. Ends with 0 when the member runs as a mirror. Arguments: one JSON object.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../conformance/runtime.js';
import { openStage, permitOf } from './agent-stage.js';
import { die, killing, type Cut } from './cut.js';
import { NEW_LEADER, scriptedIntent } from './scripted-kind.js';

export interface ReseedLife {
  readonly stateDirectory: string;
  readonly storage: string;
  readonly starts: string;
  readonly image: { readonly reference: string; readonly digest: string };
  readonly wipe: boolean;
  readonly cut: Cut;
}

async function live(life: ReseedLife): Promise<void> {
  const { stateDirectory, wipe } = life;
  const stage = await openStage({
    stateDirectory,
    permits: [{ ...permitOf('00.db', 1), service: 'db' }],
    around: (journal) => killing(journal, life.cut),
  });
  const generation = (): number => stage.journal.state.intent?.generation ?? 0;
  const order = (
    number: number,
    changes: Parameters<typeof scriptedIntent>[0]['changes'],
  ): void => {
    if (generation() >= number) return;
    const member = scriptedIntent({ ...life, ...(changes === undefined ? {} : { changes }) });
    stage.order({ host: 'alpha', generation: number, epoch: 1, members: [member] });
  };
  const until = async (what: string, isSo: () => boolean): Promise<void> => {
    await eventually(isSo, (found) => found, what, 30_000);
  };
  const fact = () => stage.reports.at(-1)?.members[0];
  // Once for the whole story: in the middle of the seed.
  const dieInSeed = setInterval(() => {
    const once = join(stateDirectory, 'died-in-seed');
    if (!existsSync(join(life.storage, 'part-4')) || existsSync(once)) return;
    writeFileSync(once, '');
    void die();
  }, 5);
  order(1, {});
  if (generation() < 2) await until('it leads', () => fact()?.engine.active === true);
  order(2, { run: 'retired' });
  if (generation() < 3)
    await until('it is proven retired', () =>
      Object.values(stage.journal.state.retirements).some(({ proven }) => proven),
    );
  const mirror = { role: 'mirror' as const, upstream: NEW_LEADER, term: 2 };
  order(3, { ...mirror, reseed: { id: 'r1', wipe } });
  await until('it is reseeded and runs', () => {
    const { storage, engine, container } = fact() ?? {};
    return storage?.reseeded === 'r1' && container?.state === 'running' && engine?.active === false;
  });
  clearInterval(dieInSeed);
  await stage.stop();
}

await live(JSON.parse(process.argv[2] ?? '{}') as ReseedLife);
process.exit(0);
