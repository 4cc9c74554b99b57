// One life of an agent that is killed at its n-th journal record, before or after it is on the disk. Ends with
// 0 when all of its goals are reached. Arguments: one JSON object.
import { eventually } from '../conformance/runtime.js';
import type { MemberFact } from '@leafward/shared/gen/domain.js';
import { cellIntent, openStage, permitOf, type Stage } from './agent-stage.js';
import { killing, type Cut } from './cut.js';

export interface Life {
  readonly stateDirectory: string;
  readonly storage: string;
  readonly image: { readonly reference: string; readonly digest: string };
  readonly cut: Cut;
}

async function live(life: Life): Promise<void> {
  const { stateDirectory, storage, image } = life;
  const stage = await openStage({
    stateDirectory,
    permits: [permitOf('00.cortex', 1)],
    around: (journal) => killing(journal, life.cut),
  });
  const generation = (): number => stage.journal.state.intent?.generation ?? 0;
  const member = cellIntent({ member: '00.cortex', storage, image });
  if (generation() < 2) {
    order(stage, 1, [member]);
    await fact(stage, ({ engine }) => engine.active === true);
    stage.ask({
      kind: 'run-backup',
      name: 'b1',
      id: 'backup-1',
      epoch: 1,
      expiresAt: Date.now() + 60_000,
      member: '00.cortex',
      term: 1,
    });
    await eventually(
      () => stage.journal.state.requests['backup-1']?.outcome,
      (outcome) => outcome !== undefined,
      'the backup has an outcome',
      30_000,
    );
  }
  order(stage, 2, [{ ...member, run: 'retired' }]);
  await eventually(
    () => Object.values(stage.journal.state.retirements),
    (retirements) => retirements.some(({ proven }) => proven),
    'it is proven retired',
    30_000,
  );
}

function order(stage: Stage, generation: number, members: Parameters<typeof cellIntents>[0]): void {
  stage.order({ host: 'alpha', generation, epoch: 1, members: cellIntents(members) });
}
const cellIntents = (members: readonly ReturnType<typeof cellIntent>[]) => members;

async function fact(stage: Stage, satisfies: (fact: MemberFact) => boolean): Promise<void> {
  await eventually(
    () => stage.reports.at(-1)?.members[0],
    (found) => found !== undefined && satisfies(found),
    'the member is as wanted',
    30_000,
  );
}

await live(JSON.parse(process.argv[2] ?? '{}') as Life);
process.exit(0);
