// What an agent takes away by itself and on request: by the rules of its order, never what is being read or needed, and
// before a backup only what makes it fit.
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@leafward/shared/clock.js';
import type { BackupDuty, MemberIntent, Request } from '@leafward/shared/gen/domain.js';
import { createLogger } from '@leafward/shared/log.js';
import { judgePlace, openPlaceOf } from '@leafward/agent/backups/access.js';
import { openCatalogue, type Catalogue } from '@leafward/agent/backups/catalogue.js';
import { judgeService, removeJudged } from '@leafward/agent/backups/keep.js';
import { keepPass } from '@leafward/agent/backups/keep-loop.js';
import { createPins, type Pins } from '@leafward/agent/backups/pins.js';
import type { BackupRoom, Engine } from '@leafward/agent/engines/engine.js';
import { isBackingUp } from '@leafward/agent/engines/synapse/backup.js';
import { emptyState } from '@leafward/agent/journal/records.js';
import { createAct, type ActParts } from '@leafward/agent/requests/acts.js';
import type { Result } from '@leafward/agent/requests.js';
import { intentOf } from './agent-world.js';

const signal = new AbortController().signal;
const quiet = (): void => undefined;
const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-11-21T12:00:00Z');
const duty = (last: number): BackupDuty => ({
  ...{ timeZone: 'UTC', jitterMs: 0, rank: 0, takeoverMs: 0 },
  keep: { last, hourly: 0, daily: 0, weekly: 0, monthly: 0, minFreeBytes: 0 },
});

describe('keeping backups', () => {
  let directory = '';
  let backups = '';
  let catalogue: Catalogue;
  let pins: Pins;
  let now = NOW;
  let members: readonly MemberIntent[] = [];
  let requests: readonly Request[] = [];
  let engine: Partial<Engine> = {};
  let operation: string | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'leafward-keep-'));
    backups = join(directory, 'storage/backups');
    await mkdir(backups, { recursive: true });
    pins = createPins();
    now = NOW;
    members = [member(duty(1))];
    requests = [];
    operation = undefined;
    engine = {};
    catalogue = await openCatalogue({
      directory: join(directory, 'state'),
      host: 'alpha',
      clock: { ...systemClock, now: () => now },
      log,
    });
    for (const day of [1, 2, 3]) await take(`b${day}`, NOW - (4 - day) * DAY_MS);
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const log = createLogger('test', 'silent');
  const member = (backupDuty: BackupDuty | undefined): MemberIntent => {
    const intent = intentOf();
    return { ...intent, backupDuty, spec: { ...intent.spec, storage: join(directory, 'storage') } };
  };
  const pathOf = (name: string): string => join(backups, name);
  const take = async (name: string, startedAt: number, more: object = {}): Promise<void> => {
    await mkdir(pathOf(name), { recursive: true });
    // What no file system stores as a hole, or compressed.
    await writeFile(join(pathOf(name), 'data'), randomBytes(8192));
    const { service, member: of } = intentOf();
    const started = { name, service, member: of, host: 'alpha', path: pathOf(name), term: 1 };
    await catalogue.add({ ...started, startedAt, ...more }, quiet, signal);
  };
  const parts = () => ({
    journal: {
      state: {
        ...emptyState,
        intent: { host: 'alpha', generation: 1, epoch: 1, members },
        requests: Object.fromEntries(
          requests.map((request) => [request.id, { request, startedAt: 1, acknowledged: false }]),
        ),
      },
    },
    clock: { ...systemClock, now: () => now },
    ...{ host: 'alpha', log, catalogue, pins },
    engineOf: () => engine as Engine,
    runtime: () => ({}) as never,
    operationOn: () => operation,
    onChange: quiet,
  });
  const pass = (): Promise<string | undefined> => keepPass(parts(), signal);
  const act = (request: object): Promise<Result> =>
    createAct(parts() as unknown as ActParts)(
      {
        id: 'q',
        epoch: 1,
        expiresAt: 0,
        member: intentOf().member,
        term: 1,
        ...request,
      } as Request,
      quiet,
      signal,
    );
  const names = (): readonly string[] =>
    catalogue
      .list()
      .map(({ name }) => name)
      .sort();
  const failure = async (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'it was done',
      (error: unknown) => (error as Error).message,
    );

  it('takes away what its rules let go, says so, and nothing more when it looks again', async () => {
    expect(await pass()).to.equal(
      'removed cortex/b1 (no rule keeps it); removed cortex/b2 (no rule keeps it)',
    );
    expect((await readdir(backups)).sort()).to.deep.equal([
      'b3',
      'b3.leafward-backup.json',
      'b3.leafward-manifest',
    ]);
    expect(await pass()).to.equal(undefined);
  });

  it('takes nothing where no rule is declared', async () => {
    members = [member(undefined)];
    expect(await pass()).to.equal(undefined);
    expect(await failure(act({ kind: 'prune-backups', dryRun: false }))).to.include('backup.keep');
    expect(names()).to.deep.equal(['b1', 'b2', 'b3']);
  });

  it('takes nothing while an operation goes on with the service, nor what is being read', async () => {
    operation = 'op-1';
    expect(await pass()).to.equal(undefined);
    expect(names()).to.have.length(3);
    operation = undefined;
    const release = pins.hold(pathOf('b2'));
    pins.hold(pathOf('b2'))();
    expect(await pass()).to.equal('removed cortex/b1 (no rule keeps it)');
    expect(names()).to.deep.equal(['b2', 'b3']);
    release();
    release();
    expect(await pass()).to.equal('removed cortex/b2 (no rule keeps it)');
  });

  it('keeps on request what is being read, restored from, or needed by another service', async () => {
    pins.hold(pathOf('b2'));
    const common = { epoch: 1, expiresAt: 0, member: intentOf().member, term: 1 };
    requests = [{ kind: 'restore-backup', id: 'r', backup: 'b1', wipe: false, ...common }];
    const { verdicts } = await act({ kind: 'prune-backups', dryRun: false });
    expect(verdicts?.verdicts.map(({ keeps, reason }) => `${keeps} ${reason}`)).to.deep.equal([
      'true the newest, last',
      'true it is being read',
      'true restore-backup is under way',
    ]);
    requests = [];
    await take('m1', NOW, { service: 'matrix', member: '00.matrix', databaseBackup: 'cortex/b1' });
    const again = await act({ kind: 'prune-backups', dryRun: true });
    expect(again.verdicts?.verdicts[2]?.reason).to.equal('matrix/m1 needs it');
    expect(names()).to.deep.equal(['b1', 'b2', 'b3', 'm1']);
  });

  it('takes none that became the last good one while others went', async () => {
    const judged = await judgeService('cortex', parts());
    expect(judged?.verdicts.map(({ keeps }) => keeps)).to.deep.equal([true, false, false]);
    if (judged === undefined) throw new Error('it is judged');
    const image = { reference: 'x', digest: 'x' };
    const figures = { tookMs: 1, copyMs: 1, migrationMs: 0, bytes: 1, problems: [] };
    const drill = { at: 1, ok: true, image, ...figures };
    await catalogue.amend(pathOf('b2'), (one) => ({ ...one, drill }));
    const after = await removeJudged(judged, parts(), quiet, signal);
    expect(after.map(({ reason }) => reason)).to.deep.equal([
      'the newest, last',
      'the last proven',
      'no rule keeps it',
    ]);
    expect(names()).to.deep.equal(['b2', 'b3']);
  });

  it('tells on request what would go, and takes it when that is meant', async () => {
    const dry = await act({ kind: 'prune-backups', dryRun: true });
    expect(dry.message).to.match(/^2 of 3 would go: 0\.0 MB$/);
    expect(names()).to.have.length(3);
    const wet = await act({ kind: 'prune-backups', dryRun: false });
    expect(wet.message).to.match(/^2 of 3 were removed/);
    expect(wet.verdicts?.verdicts.map(({ keeps }) => keeps)).to.deep.equal([true, false, false]);
    expect(names()).to.deep.equal(['b3']);
  });

  it('takes nothing by a clock that was set back, and nothing that lies elsewhere', async () => {
    now = NOW - 30 * DAY_MS;
    expect(await pass()).to.equal(undefined);
    now = NOW;
    members = [{ ...member(duty(1)), spec: { ...member(duty(1)).spec, storage: directory } }];
    expect(await pass()).to.equal(undefined);
    const { verdicts } = await act({ kind: 'prune-backups', dryRun: true });
    expect(verdicts?.verdicts.every(({ keeps }) => keeps)).to.equal(true);
  });

  describe('before a backup', () => {
    let made: string[] = [];
    const room = (...needs: readonly number[]): void => {
      const left = [...needs];
      made = [];
      engine = {
        backupRoom: (): Promise<BackupRoom> =>
          Promise.resolve({ needBytes: left.shift() ?? 0, freeBytes: 1000, rule: 'the rule' }),
        observe: () => Promise.resolve({ answered: true }),
        backup: async (_, { name }) => {
          made.push(name);
          await mkdir(pathOf(name));
          await writeFile(join(pathOf(name), 'data'), 'x');
          return { path: pathOf(name) };
        },
      };
    };
    const order = (name = 'b4'): Promise<Result> => act({ kind: 'run-backup', name });

    it('makes room by the rules when that makes it fit', async () => {
      room(5000, 900);
      await order();
      expect(names()).to.deep.equal(['b3', 'b4']);
    });

    it('takes nothing when it would not fit all the same, and says what would be freed', async () => {
      room(1_000_000);
      expect(await failure(order())).to.match(
        /needs 1\.0 MB and 0\.0 MB are free \(the rule\); 0\.0 MB would be freed by the rules of keep, which is not enough: leafward backup prune cortex; .*\(I7\)/,
      );
      expect([names(), made]).to.deep.equal([['b1', 'b2', 'b3'], []]);
    });

    it('takes nothing when there is room', async () => {
      room(900);
      await order();
      expect(names()).to.deep.equal(['b1', 'b2', 'b3', 'b4']);
    });

    it('leaves nothing of one that failed, and nothing is begun where something lies', async () => {
      room(0);
      const { backup } = engine;
      engine = {
        ...engine,
        backup: async (...args) => {
          await backup?.(...args);
          throw new Error('the cell has had enough');
        },
      };
      expect(await failure(order())).to.equal('the cell has had enough');
      expect(await readdir(backups)).to.not.include('b4');
      expect(await failure(order('b3'))).to.include('already');
      expect(await readdir(pathOf('b3'))).to.deep.equal(['data']);
    });
  });
});

describe('a cell that is asked whether it writes a backup', () => {
  const says = (currduration: number | null): Promise<boolean> =>
    isBackingUp({ call: () => Promise.resolve({ currduration }) }, signal);

  it('does while it says how long it has been at it, in any version', async () => {
    expect(await says(1200)).to.equal(true);
    expect(await says(-3)).to.equal(true);
    expect(await says(null)).to.equal(false);
  });
});

describe('a place for backups', () => {
  const judge = (...modes: readonly number[]): string | undefined =>
    judgePlace(modes.map((mode, index) => ({ path: `/${index}`, mode })))?.fix;

  it('is closed when nobody else gets there, whatever its own mode is', () => {
    expect(judge(0o700, 0o755, 0o755)).to.equal(undefined);
    expect(judge(0o750, 0o755, 0o755)).to.equal(undefined);
    expect(judge(0o777, 0o700, 0o755)).to.equal(undefined);
    expect(judge(0o700, 0o1777, 0o755)).to.equal(undefined);
  });

  it('is open when all may read or write there, or put another in its place', () => {
    expect(judge(0o755, 0o755, 0o755)).to.equal('chmod o-rwx /0');
    expect(judge(0o1777, 0o755, 0o755)).to.equal('chmod o-w /0');
    expect(judge(0o700, 0o777, 0o755)).to.equal('chmod o-w /1');
  });

  it('is judged as it is, and not before it is there', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'leafward-place-'));
    await mkdir(join(directory, 'open'));
    await chmod(join(directory, 'open'), 0o777);
    expect(await openPlaceOf(join(directory, 'open'))).to.equal(undefined);
    expect(await openPlaceOf(join(directory, 'none'))).to.equal(undefined);
    await rm(directory, { recursive: true });
  });
});
