// An agent's life with real stand-in cells: deploys a leader and its mirror, backs up, promotes, fails over,
// and never starts again what lost its leadership (I1, I2, I12).
import { expect } from 'chai';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostIntent, MemberFact, MemberIntent } from '@leafward/shared/gen/domain.js';
import { openProcessRuntime } from '@leafward/agent/runtimes/process/process-runtime.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { eventually } from '../conformance/runtime.js';
import { cellIntent, openStage, permitOf, type Stage, type StageOptions } from './agent-stage.js';

const signal = new AbortController().signal;

describe('an agent’s life', function () {
  this.timeout(120_000);
  let directory = '';
  let stateDirectory = '';
  let stage: Stage;
  let images: { readonly old: string; readonly new: string };
  let digests: Readonly<Record<string, string>>;
  const stages: Stage[] = [];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lw-life-'));
    stateDirectory = join(directory, 'state');
    await mkdir(stateDirectory);
    const outDir = join(directory, 'images');
    images = {
      old: await buildCellImage({ version: '2.113.0', outDir }),
      new: await buildCellImage({ version: '2.150.0', outDir }),
    };
    const runtime = await openProcessRuntime({ stateDirectory });
    digests = {
      [images.old]: (await runtime.resolve(images.old, signal)).digest,
      [images.new]: (await runtime.resolve(images.new, signal)).digest,
    };
    stage = await open({ permits: [permitOf('00.cortex', 1)] });
  });
  after(async () => {
    for (const one of stages) await one.stop();
    const runtime = await openProcessRuntime({ stateDirectory });
    for (const { member } of await runtime.list(signal))
      if (member !== undefined) await runtime.stop(member, 0, signal);
    await rm(directory, { recursive: true, force: true });
  });

  const open = async (options: Omit<StageOptions, 'stateDirectory'>): Promise<Stage> => {
    const opened = await openStage({ stateDirectory, ...options });
    stages.push(opened);
    return opened;
  };
  const close = async (): Promise<void> => {
    await stages.pop()?.stop();
  };
  const storage = (member: string): string => join(directory, member);
  const intent = (
    member: string,
    options: {
      readonly upstream?: string;
      readonly term?: number;
      readonly image?: string;
      readonly changes?: Partial<MemberIntent>;
    } = {},
  ): MemberIntent => {
    const reference = options.image ?? images.old;
    const { upstream, term, changes } = options;
    return cellIntent({
      member,
      storage: storage(member),
      image: { reference, digest: digests[reference] ?? '' },
      ...(upstream === undefined
        ? {}
        : { upstream: { member: upstream, storage: storage(upstream) } }),
      ...(term === undefined ? {} : { term }),
      ...(changes === undefined ? {} : { changes }),
    });
  };
  const orderOf = (generation: number, members: readonly MemberIntent[]): HostIntent => ({
    host: 'alpha',
    generation,
    epoch: 1,
    members,
  });
  const fact = async (
    member: string,
    satisfies: (fact: MemberFact) => boolean,
    what: string,
  ): Promise<MemberFact> => {
    const found = await eventually(
      () => stage.reports.at(-1)?.members.find((one) => one.member === member),
      (one) => one !== undefined && satisfies(one),
      `${member}: ${what}`,
      30_000,
    );
    if (found === undefined) throw new Error('not reported');
    return found;
  };
  const request = (id: string, member: string, term: number) => ({
    id,
    epoch: 1,
    expiresAt: Date.now() + 60_000,
    member,
    term,
  });

  it('deploys a leader with its permit, and a mirror of it', async () => {
    const upstream = '00.cortex';
    stage.order(orderOf(1, [intent('00.cortex'), intent('01.cortex', { upstream })]));
    await fact('00.cortex', ({ engine }) => engine.active === true, 'leads');
    const mirror = await fact('01.cortex', ({ engine }) => engine.ready === true, 'is ready');
    expect(mirror.engine.active).to.equal(false);
    expect(stage.answers()).to.deep.include({
      kind: 'intent-answer',
      generation: 1,
      accepted: true,
    });
    await fact('01.cortex', ({ storage: { markerTerm } }) => markerTerm === 1, 'has its marker');
  });

  it('refuses an older order and changes nothing (I11)', async () => {
    stage.order(orderOf(0, []));
    await eventually(
      () => stage.answers(),
      (answers) => answers.some(({ accepted }) => !accepted),
      'it was refused',
    );
    expect(stage.journal.state.intent?.generation).to.equal(1);
  });

  it('takes a live backup with a manifest of its files, once (I12)', async () => {
    const order = {
      kind: 'run-backup' as const,
      name: 'b1',
      ...request('backup-1', '01.cortex', 1),
    };
    stage.ask(order);
    stage.ask(order);
    const outcome = await eventually(
      () => stage.outcome('backup-1'),
      (found) => found !== undefined,
      'the backup ended',
      30_000,
    );
    expect(outcome?.message ?? '').to.equal('');
    expect(outcome?.state).to.equal('succeeded');
    const backup = outcome?.backup;
    expect(backup).to.include({ service: 'cortex', member: '01.cortex', host: 'alpha', term: 1 });
    const manifest = await readFile(`${backup?.path}.leafward-manifest`, 'utf8');
    expect(manifest.trim().split('\n').length).to.equal(backup?.files);
    expect(stage.reports.some(({ backups }) => backups?.backups.length === 1)).to.equal(true);
    stage.ask(order);
    const made = await readdir(join(storage('01.cortex'), 'backups'));
    expect(made.filter((name) => !name.includes('.leafward'))).to.have.length(1);
  });

  it('refuses a request of an older term, a late one, and one for somebody else (I11)', async () => {
    const promote = { kind: 'promote' as const, graceful: true, timeoutMs: 5000 };
    stage.ask({ ...promote, ...request('old', '01.cortex', 0) });
    stage.ask({ ...promote, ...request('late', '01.cortex', 1), expiresAt: 1 });
    stage.ask({ ...promote, ...request('foreign', '09.cortex', 1) });
    for (const id of ['old', 'late', 'foreign']) {
      const outcome = await eventually(
        () => stage.outcome(id),
        (found) => found !== undefined,
        id,
      );
      expect(outcome?.state, id).to.equal('refused');
    }
  });

  it('adopts its members after a restart of the agent, and starts none twice', async () => {
    const before = await fact('00.cortex', () => true, 'is there');
    await close();
    stage = await open({ permits: [permitOf('00.cortex', 1)] });
    const after = await fact('00.cortex', ({ engine }) => engine.answered, 'answers');
    expect(after.container.id).to.equal(before.container.id);
    expect(after.container.startedAt).to.equal(before.container.startedAt);
    expect(after.engine.runId).to.equal(before.engine.runId);
    expect(after.starts).to.equal(before.starts);
  });

  it('updates the mirror by making it anew, everything else unchanged', async () => {
    const upstream = '00.cortex';
    const leader = intent('00.cortex');
    const before = await fact('00.cortex', () => true, 'is there');
    stage.order(orderOf(2, [leader, intent('01.cortex', { upstream, image: images.new })]));
    await fact(
      '01.cortex',
      ({ engine }) => engine.version === '2.150.0' && engine.ready === true,
      'is of the new version',
    );
    await fact('00.cortex', ({ starts }) => starts === before.starts, 'was left alone');
  });

  it('starts a leader that died only while its permit holds (I1)', async () => {
    stage.permits = [];
    await eventually(
      () => fact('00.cortex', () => true, 'is there'),
      ({ permitLeftMs }) => permitLeftMs === undefined,
      'its permit has run out',
    );
    const run = JSON.parse(
      await readFile(join(stateDirectory, 'members/00.cortex/run.json'), 'utf8'),
    ) as { pid: number };
    process.kill(-run.pid, 'SIGKILL');
    const waiting = await fact('00.cortex', ({ waits }) => waits.length > 0, 'waits');
    expect(waiting.container.state).to.equal('exited');
    await fact('00.cortex', ({ waits }) => waits.some(({ code }) => code === 'no-permit'), 'waits');
    stage.permits = [permitOf('00.cortex', 1)];
    await fact('00.cortex', ({ engine }) => engine.active === true, 'leads again');
  });

  it('fences the leader, promotes the mirror by force, and keeps the old one down (I2)', async () => {
    const changes = { run: 'retired' as const };
    const old = intent('00.cortex', { changes });
    const mirror = intent('01.cortex', { upstream: '00.cortex', image: images.new });
    stage.order(orderOf(3, [old, mirror]));
    await fact(
      '00.cortex',
      ({ container, storage: { retiredAtTerm } }) =>
        container.state === 'exited' && retiredAtTerm === 1,
      'is stopped and retired',
    );
    stage.permits = [permitOf('01.cortex', 2)];
    const leader = intent('01.cortex', { term: 2, image: images.new });
    stage.order(
      orderOf(
        4,
        [old, leader].map((one) => ({ ...one, term: 2 })),
      ),
    );
    const promote = { kind: 'promote' as const, graceful: false, timeoutMs: 5000 };
    stage.ask({ ...promote, ...request('promote-2', '01.cortex', 2) });
    await fact('01.cortex', ({ engine }) => engine.active === true, 'leads');
    const outcome = await eventually(
      () => stage.outcome('promote-2'),
      (found) => found !== undefined,
      'the promotion ended',
    );
    expect(outcome?.state).to.equal('succeeded');
    expect(stage.journal.state.promotions).to.deep.equal({ '01.cortex': 2 });
  });

  it('starts nothing from a retired storage: not when ordered, not without its memory (I2)', async () => {
    const starts = stage.journal.state.starts['00.cortex']?.starts;
    const again = intent('00.cortex', { upstream: '01.cortex', term: 2 });
    const leader = intent('01.cortex', { term: 2, image: images.new });
    stage.order(orderOf(5, [again, leader]));
    await fact('00.cortex', ({ refusals }) => refusals[0]?.code === 'retired', 'is refused');
    expect(stage.journal.state.starts['00.cortex']?.starts).to.equal(starts);
    await close();
    await rm(join(stateDirectory, 'journal.log'));
    await rm(join(stateDirectory, 'members/00.cortex'), { recursive: true });
    stage = await open({ permits: [permitOf('00.cortex', 3), permitOf('01.cortex', 3)] });
    const lead = intent('00.cortex', { term: 3 });
    const other = { ...lead, member: '05.cortex' };
    stage.order(orderOf(9, [lead]));
    await fact('00.cortex', ({ refusals }) => refusals[0]?.code === 'retired', 'is refused');
    stage.order(orderOf(10, [other]));
    const refused = await fact('05.cortex', ({ refusals }) => refusals.length > 0, 'is refused');
    expect(refused.refusals[0]?.code).to.equal('retired');
    expect(refused.starts).to.equal(0);
    expect(refused.container.state).to.equal('absent');
  });
});
