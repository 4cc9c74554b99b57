// Backups by a schedule on a real fleet: the agents carry it, with a controller, without one, and for each other.
import { expect } from 'chai';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backup, DutyView } from '@leafward/shared/gen/domain.js';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { buildCellImage } from '../standin/build-cell-image.js';

/** Each minute there is one; a busy machine may miss some, and an agent keeps to an operation for a while. */
const BACKED_UP_MS = 400_000;

describe('backups by a schedule', function () {
  this.timeout(900_000);
  let dir: string;
  let fleet: LocalFleet;
  let members: readonly CortexMember[];

  const listed = async (): Promise<readonly Backup[]> =>
    (await fleet.client.listBackups({ service: 'cortex' })).backups;
  const scheduled = (backups: readonly Backup[], member: string, since: number) =>
    backups.find((one) => one.member === member && (one.scheduledFor ?? 0) > since);
  /** What lies beside its backups on the disk, whoever knows of it. */
  const onDisk = async (member: CortexMember): Promise<readonly Backup[]> => {
    const folder = join(storageOf(dir, member), 'backups');
    const names = await readdir(folder).catch(() => []);
    const records = names.filter((name) => name.endsWith('.leafward-backup.json'));
    const texts = await Promise.all(records.map((name) => readFile(join(folder, name), 'utf8')));
    return texts.map((text) => JSON.parse(text) as Backup);
  };

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    const [a = 0, b = 0] = await freePorts(2);
    members = [
      { name: '00.cortex', host: 'alpha', port: a },
      { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: b },
    ];
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo'] });
    const image = await buildCellImage({ version: '2.170.0', outDir: join(dir, 'images') });
    const path = join(dir, 'fleet.yaml');
    const environment = { SYN_CELL_START_MS: '50', SYN_CELL_BACKUP_MS: '50' };
    const backup = "{ schedule: '* * * * *', jitter: 1s, takeover: 5s }";
    await writeFile(path, cortexManifest({ dir, image, members, environment, backup }));
    await fleet.carryOut(['deploy', path]);
  });
  after(async () => {
    await fleet.stop();
    for (const member of members) await killProcessesOn(storageOf(dir, member));
    await rm(dir, { recursive: true, force: true });
  });

  it('are shown with what comes next, before the first one', async () => {
    const first = await eventually('both agents have told theirs', BACKED_UP_MS, async () => {
      const duties = await fleet.cliJson<readonly DutyView[]>(['backup', 'schedule', 'cortex']);
      expect(duties.map(({ duty, rank }) => [duty.member, rank])).to.deep.equal([
        ['01.cortex', 0],
        ['00.cortex', 2],
      ]);
      return duties.every(({ duty }) => duty.nextAt !== undefined) ? duties[0] : undefined;
    });
    expect(first.state).to.be.oneOf(['waiting', 'running', 'done']);
    expect((await fleet.cli(['status'])).stdout).to.match(/ · next .*cortex/);
  });

  it('are taken of the mirror while there is no controller', async () => {
    fleet.controller().signal('SIGKILL');
    await fleet.controller().ended;
    const [, mirror] = members;
    const since = Date.now();
    const taken = await eventually('one is taken by nobody’s word', BACKED_UP_MS, async () =>
      mirror === undefined ? undefined : scheduled(await onDisk(mirror), '01.cortex', since),
    );
    await fleet.startController();
    await eventually('it is listed', BACKED_UP_MS, async () =>
      (await listed()).find(({ name }) => name === taken.name),
    );
  });

  it('are taken of another member when the first one stays away', async () => {
    const bravo = fleet.agent('bravo');
    bravo?.signal('SIGKILL');
    await bravo?.ended;
    const since = Date.now();
    await eventually('the leader is backed up instead', BACKED_UP_MS, async () =>
      scheduled(await listed(), '00.cortex', since),
    );
  });
});
