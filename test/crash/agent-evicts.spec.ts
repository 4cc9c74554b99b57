// What runs on a storage without being the member that may: stopped at once when the storage is retired, whoever it
// belongs to (I2), and never joined by a second one when it is not (I9). Real cells, a real agent.
import { expect } from 'chai';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import { writeMarker } from '@leafward/agent/marker.js';
import { openProcessRuntime } from '@leafward/agent/runtimes/process/process-runtime.js';
import { eventually } from '../conformance/runtime.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { cellIntent, openStage, permitOf, type Stage } from './agent-stage.js';

const signal = new AbortController().signal;

describe('an agent and what else runs on a storage', function () {
  this.timeout(60_000);
  let directory = '';
  let stateDirectory = '';
  let storage = '';
  let stage: Stage | undefined;
  let image: { readonly reference: string; readonly digest: string };
  let built = '';
  const children: ChildProcess[] = [];

  before(async () => {
    built = await mkdtemp(join(tmpdir(), 'lw-evict-image-'));
    const reference = await buildCellImage({ version: '2.113.0', outDir: built });
    const runtime = await openProcessRuntime({ stateDirectory: built });
    image = { reference, digest: (await runtime.resolve(reference, signal)).digest };
  });
  after(() => rm(built, { recursive: true, force: true }));
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lw-evict-'));
    stateDirectory = join(directory, 'state');
    storage = join(directory, '00.cortex');
    await mkdir(stateDirectory);
  });
  afterEach(async () => {
    await stage?.stop();
    stage = undefined;
    for (const child of children.splice(0)) child.kill('SIGKILL');
    for (const state of [stateDirectory, join(directory, 'other')]) {
      const runtime = await openProcessRuntime({ stateDirectory: state });
      for (const { member } of await runtime.list(signal))
        if (member !== undefined) await runtime.stop(member, 0, signal);
    }
    await rm(directory, { recursive: true, force: true });
  });

  const member = (changes: Partial<MemberIntent> = {}): MemberIntent =>
    cellIntent({ member: '00.cortex', storage, image, changes });
  const order = (generation: number, members: readonly MemberIntent[]): void =>
    stage?.order({ host: 'alpha', generation, epoch: 1, members });
  const open = async (): Promise<Stage> => {
    stage = await openStage({ stateDirectory, permits: [permitOf('00.cortex', 1)] });
    return stage;
  };
  const socketIsThere = (): Promise<boolean> =>
    stat(join(storage, 'sock')).then(
      () => true,
      () => false,
    );
  /** As an operator would. */
  const byHand = async (program: readonly string[], cwd: string): Promise<ChildProcess> => {
    const [command = '', ...words] = program;
    const child = spawn(command, words, { cwd, stdio: 'ignore' });
    children.push(child);
    await eventually(
      () => child.pid,
      (pid) => pid !== undefined,
      'it runs',
    );
    return child;
  };
  const cellByHand = async (): Promise<ChildProcess> => {
    const child = await byHand([process.execPath, image.reference, storage], directory);
    await eventually(socketIsThere, (is) => is, 'the cell listens');
    return child;
  };
  const ended = (child: ChildProcess): boolean =>
    child.exitCode !== null || child.signalCode !== null;
  const retire = async (): Promise<Stage> => {
    const opened = await open();
    order(1, [member()]);
    await eventually(
      () => opened.reports.at(-1)?.members[0]?.engine.active,
      (active) => active === true,
      'it leads',
      20_000,
    );
    order(2, [member({ run: 'retired' })]);
    await eventually(
      () => Object.values(opened.journal.state.retirements)[0]?.proven,
      (proven) => proven === true,
      'it is retired and down',
      20_000,
    );
    return opened;
  };

  for (const isDropped of [false, true])
    it(`stops a program started by hand on a retired storage, its member ${isDropped ? 'left out' : 'named'}`, async () => {
      const opened = await retire();
      if (isDropped) order(3, []);
      const reader = await byHand(['sleep', '1000'], storage);
      const child = await cellByHand();
      await eventually(
        () => ended(child),
        (is) => is,
        'it is stopped',
        20_000,
      );
      await eventually(
        () => opened.journal.state.starts['00.cortex']?.sinceRetired,
        (count) => count === 1,
        'it is counted',
      );
      expect(ended(reader), 'one that only stands there is left alone').to.equal(false);
    });

  it('stops what another agent runs on a retired storage that only the storage tells of', async () => {
    const other = join(directory, 'other');
    await mkdir(other);
    const runtime = await openProcessRuntime({ stateDirectory: other });
    const { spec } = member();
    await runtime.pull(image, () => undefined, signal);
    await runtime.create(
      { member: 'x', service: 'cortex', spec, specDigest: specDigestOf(spec) },
      signal,
    );
    await runtime.start('x', signal);
    await eventually(socketIsThere, (is) => is, 'it runs', 20_000);
    const retired = { term: 1, at: 1, reason: 'it was failed over' };
    await writeMarker(storage, { format: 1, service: 'cortex', member: 'x', term: 1, retired });
    await open();
    await eventually(
      () => runtime.inspect('x', signal),
      ({ state }) => state === 'exited',
      'it is stopped',
      20_000,
    );
  });

  it('starts no member beside a program that was started by hand (I9)', async () => {
    await mkdir(storage);
    const child = await cellByHand();
    const opened = await open();
    order(1, [member()]);
    await eventually(
      () => opened.reports.at(-1)?.members[0]?.refusals.map(({ code }) => code),
      (codes) => codes?.includes('storage-in-use') === true,
      'it is refused',
      20_000,
    );
    expect(ended(child)).to.equal(false);
    child.kill('SIGTERM');
    await eventually(
      () => opened.reports.at(-1)?.members[0]?.engine.active,
      (active) => active === true,
      'it is started once that has ended',
      30_000,
    );
  });
});
