// What keeps a cell healthy, at its edges: a log is cut with exactly its readers or not at all, copies take the place of
// databases one by one, and whoever is frozen is resumed.
import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Care } from '@leafward/agent/engines/care.js';
import type { EngineMember, EngineParts } from '@leafward/agent/engines/engine.js';
import { compact } from '@leafward/agent/engines/synapse/care/compact.js';
import { writeFlag } from '@leafward/agent/engines/synapse/care/on-boot.js';
import { trim } from '@leafward/agent/engines/synapse/care/trim.js';
import { CellError } from '@leafward/agent/engines/synapse/telepath/cell-error.js';
import type { Call } from '@leafward/agent/engines/synapse/telepath/encode.js';
import type { Link } from '@leafward/agent/engines/synapse/telepath/link.js';
import type { Value } from '@leafward/agent/engines/synapse/telepath/value.js';
import { openFreezes } from '@leafward/agent/freeze/freezes.js';
import { freezeDirectory } from '@leafward/agent/freeze/record.js';
import { commandLine } from '@leafward/agent/freeze/snapshot-command.js';
import { emptyState } from '@leafward/agent/journal/records.js';
import { writeMarker } from '@leafward/agent/marker.js';
import { hostMonotonicMs } from '@leafward/agent/permits.js';
import { coldBackup } from '@leafward/agent/requests/acts/cold-backup.js';
import { optimizeStorage } from '@leafward/agent/requests/acts/optimize-storage.js';
import type { ActParts } from '@leafward/agent/requests/acts/parts.js';
import type { Command, Runtime } from '@leafward/agent/runtimes/runtime.js';
import { systemClock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import { createLogger } from '@leafward/shared/log.js';
import { intentOf } from './agent-world.js';

const never = new AbortController().signal;
const messageOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    (value) => `no error but ${String(value)}`,
    (error: unknown) => (error as Error).message,
  );
const memberAt = (storage: string): EngineMember =>
  ({
    member: '00.cortex',
    service: 'cortex',
    spec: { storage, runtime: 'process', mounts: [], environment: {}, image: {} },
  }) as unknown as EngineMember;

describe('trimming a log', () => {
  const MIRRORS = ['aha://01.cortex.loop', 'aha://02.cortex.loop'];
  const options = { consumers: ['aha://root@02.cortex.loop/', MIRRORS[0] ?? ''], timeoutMs: 5000 };

  /** A leader that answers as it is told; what is cut is noted. */
  function leader(answers: Readonly<Record<string, Value | Error>>) {
    const cut: Call[] = [];
    const all: Readonly<Record<string, Value | Error>> = {
      getCellInfo: { cell: { active: true } },
      getBackupInfo: {},
      getMirrorUrls: MIRRORS,
      trimNexsLog: 41,
      ...answers,
    };
    const call = (asked: Call): Promise<Value> => {
      const answer = all[asked.method];
      if (asked.method === 'trimNexsLog') cut.push(asked);
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer ?? null);
    };
    return { cut, link: { call } as unknown as Link };
  }
  const trimmed = async (
    answers: Readonly<Record<string, Value | Error>>,
    consumers: readonly string[] = options.consumers,
  ) => {
    const { cut, link } = leader(answers);
    const said = await trim(link, memberAt('/srv'), { ...options, consumers }, never).catch(
      (error: unknown) => (error as Error).message,
    );
    return { said, cut };
  };

  it('names the mirrors as the leader itself does', async () => {
    const { said, cut } = await trimmed({});
    expect(said).to.equal('cut its log up to offset 41; 2 readers have all of it');
    expect(cut.map(({ kwargs }) => kwargs)).to.eql([{ consumers: MIRRORS, timeout: 5 }]);
  });

  it('cuts nothing when the leader knows another one, or not all of them, or nobody is named (I8)', async () => {
    const more = await trimmed({ getMirrorUrls: [...MIRRORS, 'aha://03.cortex.loop'] });
    expect(more.said).to.match(/knows aha:\/\/03\.cortex\.loop as well.*nothing was cut/);
    const fewer = await trimmed({ getMirrorUrls: MIRRORS.slice(0, 1) });
    expect(fewer.said).to.match(/does not know aha:\/\/root@02\.cortex\.loop/);
    const none = await trimmed({ getMirrorUrls: [] }, []);
    expect(none.said).to.match(/not every reader is named/);
    expect([...more.cut, ...fewer.cut, ...none.cut]).to.eql([]);
  });

  it('cuts nothing on a mirror, beside a backup, or when it cannot be told who reads', async () => {
    const passive = await trimmed({ getCellInfo: { cell: { active: false } } });
    const busy = await trimmed({ getBackupInfo: { currduration: 3 } });
    const deaf = await trimmed({ getMirrorUrls: new LeafwardError('timeout', 'no answer') });
    expect([passive.said, busy.said, deaf.said].join('; ')).to.match(
      /does not lead.*a backup of it runs.*no answer/s,
    );
    expect([...passive.cut, ...busy.cut, ...deaf.cut]).to.eql([]);
  });

  it('takes the names that it was given from a leader without AHA', async () => {
    const getMirrorUrls = new CellError('call getMirrorUrls', 'BadConfValu', 'no AHA');
    const { cut } = await trimmed({ getMirrorUrls });
    expect(cut[0]?.kwargs).to.deep.include({ consumers: options.consumers });
  });
});

describe('making databases compact', () => {
  let storage: string;
  const FILES = ['slabs/cell.lmdb/data.mdb', 'layers/a/v2.lmdb/data.mdb'];
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  };
  const contents = (): Promise<readonly string[]> =>
    Promise.all(FILES.map((path) => readFile(join(storage, path), 'utf8')));

  beforeEach(async () => {
    storage = await mkdtemp(join(tmpdir(), 'leafward-'));
    for (const path of FILES) await put(join(storage, path), 'loose '.repeat(2000));
    await put(join(storage, 'backups/b1/slabs/cell.lmdb/data.mdb'), 'a backup');
    await put(join(storage, 'cell.guid'), 'iden');
  });
  afterEach(() => rm(storage, { recursive: true, force: true }));

  /** The offline tool; it leaves out what it is told to. */
  const partsWith = (exitCode: number, leftOut: readonly string[] = []): EngineParts => {
    const run = async (_: unknown, { argv }: Command) => {
      const to = argv[4] ?? '';
      for (const path of FILES.filter((one) => !leftOut.includes(one)))
        await put(join(to, path), `tight ${path}`);
      return { exitCode, stdout: '', stderr: 'lmdb is cross', truncated: false, tookMs: 1 };
    };
    const runtime = { run } as unknown as Runtime;
    return {
      runtimeOf: () => runtime,
      containerOf: (member: EngineMember) => member,
      redact: (text: string) => text,
    } as unknown as EngineParts;
  };

  it('puts each copy in the place of its original, with its mode, and leaves backups and nothing else', async () => {
    await chmod(join(storage, FILES[0] ?? ''), 0o640);
    const said = await compact(partsWith(0), memberAt(storage), () => undefined, never);
    expect(said).to.match(/^its databases took [\d.]+ MB and take [\d.]+ MB$/);
    expect(await contents()).to.eql(FILES.map((path) => `tight ${path}`));
    expect((await stat(join(storage, FILES[0] ?? ''))).mode & 0o777).to.equal(0o640);
    const backup = join(storage, 'backups/b1/slabs/cell.lmdb/data.mdb');
    expect(await readFile(backup, 'utf8')).to.equal('a backup');
    expect(await readdir(join(storage, 'tmp'))).to.eql([]);
  });

  it('replaces nothing when the tool fails or leaves a database out', async () => {
    const before = await contents();
    const failed = compact(partsWith(1), memberAt(storage), () => undefined, never);
    expect(await messageOf(failed)).to.match(/ended with 1: lmdb is cross/);
    const lacking = compact(
      partsWith(0, FILES.slice(1)),
      memberAt(storage),
      () => undefined,
      never,
    );
    expect(await messageOf(lacking)).to.match(/left out layers\/a.*nothing was replaced/);
    expect(await contents()).to.eql(before);
    expect(await readdir(join(storage, 'tmp'))).to.eql([]);
  });

  it('is told to a cell by one key, which keeps all others, and taken back', async () => {
    const mods = join(storage, 'cell.mods.yaml');
    await writeFile(mods, 'mirror: aha://00.cortex.loop\n');
    await writeFlag(storage, true);
    await writeFlag(storage, true);
    expect(await readFile(mods, 'utf8')).to.match(/mirror: aha.*\n.*onboot:optimize"?: true\n/);
    await writeFlag(storage, false);
    expect(await readFile(mods, 'utf8')).to.equal('mirror: aha://00.cortex.loop\n');
    await writeFile(mods, '# nothing\n');
    await writeFlag(storage, false);
    expect(await readFile(mods, 'utf8')).to.equal('# nothing\n');
    await rm(mods);
    await writeFlag(storage, false);
    expect(existsSync(mods)).to.equal(false);
  });
});

describe('a stopped member that is half filled', () => {
  it('is neither backed up nor made compact: half of the data would pass for all of it', async () => {
    const storage = await mkdtemp(join(tmpdir(), 'leafward-'));
    const before = intentOf({ run: 'stopped' });
    const intent = { ...before, spec: { ...before.spec, storage } };
    const { member, service, term } = intent;
    const seeding = { from: 'the backup b1', id: 'r1' };
    await writeMarker(storage, { format: 1, service, member, term, seeding });
    const state = {
      ...emptyState,
      intent: { host: 'a', generation: 1, epoch: 1, members: [intent] },
    };
    const parts = { journal: { state } } as unknown as ActParts;
    const turn = { parts, onProgress: () => undefined, signal: never };
    const order = { id: 'r2', epoch: 1, expiresAt: 0, member, term };
    const cold = { ...order, kind: 'cold-backup' as const, name: 'b2', position: 1 };
    expect(await messageOf(coldBackup(cold, turn))).to.include('its storage is half filled');
    const swap = { ...order, kind: 'optimize-storage' as const, way: 'swap' as const };
    expect(await messageOf(optimizeStorage(swap, turn))).to.include('its storage is half filled');
    await rm(storage, { recursive: true });
  });
});

describe('freezing', () => {
  let dir: string;
  const bootId = 'boot';
  const log = createLogger('test', 'silent');
  const freezesWith = (program: string | undefined) =>
    openFreezes({ stateDirectory: dir, bootId, clock: systemClock, log, program });
  const records = () => freezeDirectory(join(dir, 'freezes'));
  const frozen = { frozen: 0, resumed: 0 };
  const care = (freeze: () => Promise<void> = () => Promise.resolve()): Care => ({
    freeze: async () => {
      await freeze();
      frozen.frozen += 1;
    },
    resume: () => {
      frozen.resumed += 1;
      return Promise.resolve();
    },
  });

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    Object.assign(frozen, { frozen: 0, resumed: 0 });
    // Stands for the agent's program: marks itself as the real one does, and watches the record.
    const program = `const fs = require('fs'); const [, , , path, member] = process.argv;
fs.writeFileSync(path + '/' + member + '.watched', String(process.pid));
setInterval(() => fs.existsSync(path + '/' + member + '.frozen.json') || process.exit(0), 20);`;
    await writeFile(join(dir, 'agent.cjs'), program);
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('freezes nobody whom nobody would resume', async () => {
    const work = freezesWith(undefined).whileFrozen(
      { member: memberAt(dir), care: care(), forMs: 1000 },
      () => Promise.resolve(1),
      never,
    );
    expect(await messageOf(work)).to.match(/nobody would resume it.*nothing was frozen/);
    expect(frozen).to.eql({ frozen: 0, resumed: 0 });
  });

  it('believes no number of a process that is somebody else’s by now', async () => {
    const directory = records();
    await mkdir(directory.path);
    directory.setWatcher('00.cortex', process.pid);
    const { value } = await freezesWith(join(dir, 'agent.cjs')).whileFrozen(
      { member: memberAt(dir), care: care(), forMs: 60_000 },
      () => Promise.resolve(directory.watcher('00.cortex')),
      never,
    );
    expect(value).to.be.a('number').and.not.equal(process.pid);
  });

  it('resumes when it is done, and when it fails', async () => {
    const freezes = freezesWith(join(dir, 'agent.cjs'));
    const freezing = { member: memberAt(dir), care: care(), forMs: 60_000 };
    const done = await freezes.whileFrozen(freezing, () => Promise.resolve('done'), never);
    expect(done.value).to.equal('done');
    const failing = freezes.whileFrozen(freezing, () => Promise.reject(new Error('no')), never);
    expect(await messageOf(failing)).to.equal('no');
    expect(frozen).to.eql({ frozen: 2, resumed: 2 });
    expect(records().members()).to.eql([]);
  });

  it('leaves a freeze of somebody else to them', async () => {
    const taken = care(() => Promise.reject(new LeafwardError('already-exists', 'frozen already')));
    const work = freezesWith(join(dir, 'agent.cjs')).whileFrozen(
      { member: memberAt(dir), care: taken, forMs: 60_000 },
      () => Promise.resolve(1),
      never,
    );
    expect(await messageOf(work)).to.match(/frozen already/);
    expect(frozen.resumed).to.equal(0);
    expect(records().members()).to.eql([]);
  });

  it('is no whole snapshot when its dead-man came first', async () => {
    const work = freezesWith(join(dir, 'agent.cjs')).whileFrozen(
      { member: memberAt(dir), care: care(), forMs: 60_000 },
      () => Promise.resolve(records().remove('00.cortex')),
      never,
    );
    expect(await messageOf(work)).to.match(/resumed it before this was over/);
  });

  it('forgets those of an earlier boot', () => {
    const storage = dir;
    const record = { member: '00.cortex', storage, bootId: 'before', isFrozen: true };
    records().write({ ...record, resumeAtMs: hostMonotonicMs() + 60_000 });
    freezesWith(undefined);
    expect(records().members()).to.eql([]);
  });

  it('runs the command outside of the agent’s unit where systemd is, with its time', () => {
    const command = ['lvcreate', '-s', 'vg/a b'];
    expect(commandLine({ command, timeoutMs: 30_000 }, false)).to.eql(command);
    const line = commandLine({ command, timeoutMs: 1500 }, true);
    expect(line[0]).to.equal('systemd-run');
    expect(line).to.include('--property=RuntimeMaxSec=2');
    expect(line.slice(line.indexOf('--') + 1)).to.eql(command);
  });
});
