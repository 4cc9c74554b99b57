// A leader's program dies under its agent: how it is told, that it is left to a failover for its time and then started
// again, and that an agent which was itself started anew says the same.
import { expect } from 'chai';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MemberFact, MemberIntent } from '@leafward/shared/gen/domain.js';
import { openProcessRuntime } from '@leafward/agent/runtimes/process/process-runtime.js';
import { eventually } from '../conformance/runtime.js';
import { processesOn } from '../fleet/processes.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { cellIntent, openStage, permitOf, type Stage } from './agent-stage.js';

const signal = new AbortController().signal;
const MEMBER = '00.cortex';
/** Long enough to see that nothing is started. */
const HOLD_MS = 3000;

/** proc(5): the fourth field of its stat. */
async function parentOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

describe('a leader that dies under its agent', function () {
  this.timeout(120_000);
  let directory = '';
  let stateDirectory = '';
  let storage = '';
  let stage: Stage;
  let generation = 0;
  let image = { reference: '', digest: '' };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lw-death-'));
    stateDirectory = join(directory, 'state');
    storage = join(directory, MEMBER);
    await mkdir(stateDirectory);
    const reference = await buildCellImage({
      ...{ version: '2.113.0', outDir: join(directory, 'images') },
    });
    const runtime = await openProcessRuntime({ stateDirectory });
    image = { reference, digest: (await runtime.resolve(reference, signal)).digest };
    stage = await open();
    order();
  });
  after(async () => {
    await stage.stop();
    const runtime = await openProcessRuntime({ stateDirectory });
    await runtime.stop(MEMBER, 0, signal);
    await rm(directory, { recursive: true, force: true });
  });

  const open = (): Promise<Stage> => openStage({ stateDirectory, permits: [permitOf(MEMBER, 1)] });
  const order = (changes: Partial<MemberIntent> = {}): void => {
    const intent = cellIntent({
      ...{ member: MEMBER, storage, image },
      changes: { restartAfterMs: HOLD_MS, ...changes },
    });
    generation += 1;
    stage.order({ host: 'alpha', generation, epoch: 1, members: [intent] });
  };
  const toldAfter = (
    from: number,
    satisfies: (fact: MemberFact) => boolean,
    what: string,
  ): Promise<MemberFact> =>
    eventually(
      () => stage.reports.slice(from).flatMap(({ members }) => members.filter(satisfies))[0],
      (fact) => fact !== undefined,
      what,
      30_000,
    ) as Promise<MemberFact>;
  const untilItLeads = (from = stage.reports.length): Promise<MemberFact> =>
    toldAfter(from, ({ engine }) => engine.active === true, 'it leads');
  /** Its program, not the shell that waits for it. */
  const programOf = async (): Promise<number> => {
    const pids = await processesOn(storage);
    const parents = await Promise.all(pids.map(parentOf));
    const pid = pids.find((_, index) => pids.includes(parents[index] ?? 0));
    if (pid === undefined) throw new Error(`${pids.length} processes, none a child of another`);
    return pid;
  };

  it('is told as dead, left to a failover, and started again when nobody took over', async () => {
    const before = await untilItLeads();
    expect(before.death).to.equal(undefined);
    const from = stage.reports.length;
    process.kill(await programOf(), 'SIGKILL');
    const dead = await toldAfter(from, ({ death }) => death !== undefined, 'its death is told');
    expect(dead.death).to.include({ asked: false, word: 'exit code 137 (SIGKILL)' });
    expect(dead.container.state).to.equal('exited');
    expect(dead.engine.answered).to.equal(false);
    const held = await toldAfter(
      from,
      ({ waits }) => waits.some(({ code }) => code === 'held-for-failover'),
      'it is held',
    );
    expect(held.starts).to.equal(before.starts);
    const again = await untilItLeads(stage.reports.length);
    expect(again.death).to.equal(undefined);
    expect(again.starts).to.equal(before.starts + 1);
  });

  it('is told as dead when its shell is killed with it and nobody wrote down how', async () => {
    await untilItLeads();
    const from = stage.reports.length;
    for (const pid of await processesOn(storage)) process.kill(pid, 'SIGKILL');
    const dead = await toldAfter(from, ({ death }) => death !== undefined, 'its death is told');
    expect(dead.death).to.include({ asked: false, word: 'it is gone and left no exit code' });
    await untilItLeads();
  });

  it('is told as one that somebody told to end, and started again', async () => {
    const before = await untilItLeads();
    const from = stage.reports.length;
    process.kill(await programOf(), 'SIGTERM');
    const dead = await toldAfter(from, ({ death }) => death !== undefined, 'its end is told');
    expect(dead.death?.asked).to.equal(true);
    const again = await untilItLeads(stage.reports.length);
    expect(again.starts).to.equal(before.starts + 1);
  });

  it('is started at once when it is ordered anew', async () => {
    await untilItLeads();
    const from = stage.reports.length;
    process.kill(await programOf(), 'SIGKILL');
    await toldAfter(from, ({ death }) => death !== undefined, 'its death is told');
    // An hour: it is started by the new order or not at all.
    order({ restartAfterMs: 3_600_000 });
    const again = await untilItLeads(stage.reports.length);
    expect(again.death).to.equal(undefined);
  });

  it('is told as dead by an agent that was itself started anew, and is held by it', async () => {
    await untilItLeads();
    await stage.stop();
    process.kill(await programOf(), 'SIGKILL');
    await eventually(
      () => processesOn(storage),
      (pids) => pids.length === 0,
      'it is gone',
    );
    stage = await open();
    const dead = await toldAfter(0, ({ death }) => death !== undefined, 'its death is told');
    expect(dead.death).to.include({ asked: false, word: 'exit code 137 (SIGKILL)' });
    expect(dead.waits.map(({ code }) => code)).to.include('held-for-failover');
  });

  it('has not died when its agent stops it by an order', async () => {
    const from = stage.reports.length;
    order();
    await untilItLeads(from);
    const later = stage.reports.length;
    order({ run: 'stopped' });
    const stopped = await toldAfter(
      later,
      ({ container }) => container.state === 'exited',
      'it is stopped',
    );
    expect(stopped.death).to.equal(undefined);
    order();
    await untilItLeads(stage.reports.length);
    const deaths = stage.reports.slice(later).flatMap(({ members }) => members);
    expect(deaths.filter(({ death }) => death !== undefined)).to.deep.equal([]);
  });
});
