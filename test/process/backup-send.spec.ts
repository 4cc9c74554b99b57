// Real programs: a backup goes from its host to another one through the controller, is read again there, and can be
// restored there. A line that breaks, a controller that dies and an agent that is killed cost nothing but time.
import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openAgentIdentity } from '@leafward/agent/identity.js';
import { transferLines } from '@leafward/agent/transfer/line.js';
import { messageOf } from '@leafward/shared/errors.js';
import type { Backup } from '@leafward/shared/gen/domain.js';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { connectCell } from '../standin/client.js';

const run = promisify(execFile);

describe('a backup that is sent to another host', function () {
  this.timeout(240_000);
  let dir: string;
  let fleet: LocalFleet;
  let members: readonly CortexMember[];

  const storage = (name: string): string =>
    storageOf(
      dir,
      members.find((member) => member.name === name)!,
    );
  const backups = (): Promise<readonly Backup[]> =>
    fleet.cliJson<readonly Backup[]>(['backup', 'list', 'cortex']);
  /** A backup of the mirror on bravo, with a large file that no cell would have written so fast. */
  const takeBackup = async (): Promise<Backup> => {
    await fleet.carryOut(['backup', 'cortex', '--member', '01.cortex']);
    const [newest] = await backups();
    if (newest === undefined) throw new Error('there is no backup');
    return newest;
  };

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    const [a = 0, b = 0] = await freePorts(2);
    members = [
      { name: '00.cortex', host: 'alpha', port: a },
      { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: b },
    ];
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo'] });
    const image = await buildCellImage({ version: '2.180.0', outDir: join(dir, 'images') });
    const path = join(dir, 'fleet.yaml');
    const environment = { SYN_CELL_START_MS: '50' };
    await writeFile(path, cortexManifest({ dir, image, members, environment }));
    await fleet.carryOut(['deploy', path]);
    // Holes and bytes: in the storage, so that each backup has them.
    await run('truncate', ['--size', '200M', join(storage('01.cortex'), 'sparse.bin')]);
    await run('dd', [
      'if=/dev/urandom',
      `of=${join(storage('01.cortex'), 'sparse.bin')}`,
      'bs=1M',
      'count=24',
      'seek=100',
      'conv=notrunc',
    ]);
    const writer = await connectCell({ url: storage('00.cortex') });
    for (let i = 0; i < 20; i += 1) await writer.write(`before-${i}`);
    writer.close();
  });
  after(async () => {
    await fleet?.stop();
    for (const { name } of members ?? []) await killProcessesOn(storage(name));
    await rm(dir, { recursive: true, force: true });
  });

  it('is the same there, holes included, and lies in the list of both', async () => {
    const backup = await takeBackup();
    const arrived = await fleet.cliJson<Backup>([
      'backup',
      'send',
      backup.name,
      '--to',
      'alpha',
      '--rate',
      'max',
    ]);
    expect(arrived).to.include({
      name: backup.name,
      host: 'alpha',
      member: '01.cortex',
      manifestSha256: backup.manifestSha256,
    });
    expect(arrived.verification).to.include({ ok: true });
    await run('diff', ['--recursive', '--no-dereference', backup.path, arrived.path]);
    const [there, here] = await Promise.all(
      [arrived, backup].map(({ path }) => stat(join(path, 'sparse.bin'))),
    );
    expect(there?.size).to.equal(here?.size);
    expect(there?.mode).to.equal(here?.mode);
    expect(there?.blocks).to.be.lessThan((there?.size ?? 0) / 512 / 2);
    const hosts = (await backups())
      .filter(({ name }) => name === backup.name)
      .map(({ host }) => host);
    expect([...hosts].sort()).to.deep.equal(['alpha', 'bravo']);
    // Once more: it is there already.
    await fleet.cliJson(['backup', 'send', backup.name, '--to', 'alpha']);
    expect(await left()).to.deep.equal([]);
  });

  const left = async (): Promise<readonly string[]> =>
    (await readdir(join(storage('00.cortex'), 'backups'))).filter((name) => name.startsWith('.'));

  it('arrives although the controller and the receiver are killed under way', async () => {
    const backup = await takeBackup();
    const sending = fleet.cliJson<Backup>([
      'backup',
      'send',
      backup.name,
      '--to',
      'alpha',
      '--rate',
      '10MiB',
    ]);
    sending.catch(() => undefined); // its controller dies
    const staging = join(storage('00.cortex'), 'backups', `.leafward-receive-${backup.name}`);
    const arriving = async (): Promise<number> => {
      const found = await stat(join(staging, 'files', 'sparse.bin')).catch(() => undefined);
      return found?.blocks ?? 0;
    };
    await eventually('some of it is there', 60_000, async () => (await arriving()) > 2048);
    fleet.controller().signal('SIGKILL');
    await fleet.controller().ended;
    await fleet.startController();
    const before = await arriving();
    await eventually('more of it is there', 90_000, async () => (await arriving()) > before);
    fleet.agent('alpha')?.signal('SIGKILL');
    await fleet.agent('alpha')?.ended;
    await fleet.startAgent('alpha');
    const arrived = await eventually('it is in the list of both', 120_000, async () =>
      (await backups()).find(({ name, host }) => name === backup.name && host === 'alpha'),
    );
    await run('diff', ['--recursive', '--no-dereference', backup.path, arrived.path]);
    expect(await readFile(`${arrived.path}.leafward-manifest`, 'utf8')).to.equal(
      await readFile(`${backup.path}.leafward-manifest`, 'utf8'),
    );
    expect(await left()).to.deep.equal([]);
  });

  it('lets no host into a transfer that it was not asked to', async () => {
    const identity = await openAgentIdentity(fleet.agentDir('alpha'));
    const line = transferLines(identity)(AbortSignal.timeout(30_000));
    await line.send({ kind: 'join', transfer: 'transfer-of-others', sends: false });
    const said = await line.next().then(
      ({ kind }) => kind,
      (error: unknown) => messageOf(error),
    );
    line.close();
    expect(said).to.include('host alpha was not asked to take part in this transfer');
  });

  it('is refused for a host that has no member of its service, and for its own', async () => {
    const [backup] = await backups();
    const { name = '' } = backup ?? {};
    const elsewhere = await fleet.cli(['backup', 'send', name, '--to', 'nowhere'], [1]);
    expect(elsewhere.stderr).to.include('cortex has no member on host nowhere');
    const own = await fleet.cli(['backup', 'send', name, '--to', 'bravo'], [2]);
    expect(own.stderr).to.include('it lies on bravo already');
  });
});
