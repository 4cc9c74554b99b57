// Checks on storage: medium, latency, free space, owner, size of memory.
import { mkdirSync, statSync } from 'node:fs';
import { expect } from 'chai';
import type { CheckContext, DiskLatency } from '@leafward/agent/checks/check.js';
import { diskLatency } from '@leafward/agent/checks/disk-latency.js';
import { freeSpaceBackup } from '@leafward/agent/checks/free-space-backup.js';
import { freeSpaceBoot } from '@leafward/agent/checks/free-space-boot.js';
import { freeSpaceGuide } from '@leafward/agent/checks/free-space-guide.js';
import { memorySize } from '@leafward/agent/checks/memory-size.js';
import { mountOf, parseMounts } from '@leafward/agent/checks/mounts.js';
import { storageMedium } from '@leafward/agent/checks/storage-medium.js';
import { storageOwner } from '@leafward/agent/checks/storage-owner.js';
import { backupPathsOf, readVolume } from '@leafward/agent/checks/volumes.js';
import { GIB, makeHost, makeMember, runCheck, severities, type FakeHost } from './fixture.js';

describe('storage checks', () => {
  let host: FakeHost;
  let storage: string;
  beforeEach(() => {
    host = makeHost();
    storage = host.path('srv/storage');
    mkdirSync(storage, { recursive: true });
  });
  afterEach(() => host.remove());

  const member = (spec: Parameters<typeof makeMember>[0] = {}) =>
    makeMember({ ...spec, spec: { storage, ...spec.spec } });

  it('knows where backups land that lie in no storage, each once', () => {
    const at = (backupDirectory: string | undefined, own = storage) =>
      makeMember({ spec: { storage: own, backupDirectory } });
    const others = [at('/backups'), at('/backups', '/srv/b'), at('/srv/b/kept', '/srv/a')];
    expect(backupPathsOf([at(undefined), at(`${storage}/kept`), ...others])).to.eql(['/backups']);
    expect(backupPathsOf([makeMember({ run: 'removed', spec: { backupDirectory: '/x' } })])).to.eql(
      [],
    );
  });

  describe('storage-medium', () => {
    for (const [fileSystem, source, severity, words] of [
      ['ext4', '/dev/nvme0n1p1', 'ok', 'ext4'],
      ['nfs4', 'filer:/export', 'critical', 'network'],
      ['nfs4', 'fs-12ab.efs.eu-west-1.amazonaws.com:/', 'critical', 'EFS'],
      ['tmpfs', 'tmpfs', 'critical', 'memory'],
      ['overlay', 'overlay', 'critical', 'container'],
      ['fuse.sshfs', 'me@there:', 'warning', 'user space'],
    ] as const) {
      it(`calls ${fileSystem} from ${source} ${severity}`, async () => {
        const mount = `30 27 0:40 / ${host.root} rw - ${fileSystem} ${source} rw\n`;
        host.write('proc/self/mountinfo', `27 1 254:1 / / rw - ext4 /dev/vda1 rw\n${mount}`);
        const [result] = await runCheck(storageMedium, host, { members: [member()] });
        expect(result?.severity).to.equal(severity);
        expect(result?.seen).to.contain(words);
      });
    }

    it('takes rotational for a hint that the measured latency may refute', async () => {
      host.write('sys/dev/block/254:1/queue/rotational', '1\n');
      expect(severities(await runCheck(storageMedium, host, { members: [member()] }))).to.equal(
        'info',
      );
      const latency = new Map([[storage, { p50Ms: 0.2, p99Ms: 1, samples: 100, probedAt: 1 }]]);
      const results = await runCheck(storageMedium, host, { members: [member()], latency });
      expect(severities(results)).to.equal('ok');
    });

    it('finds the deepest mount, with escaped names', () => {
      const mounts = parseMounts(
        '1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 8:2 / /srv/my\\040data rw shared:1 - xfs /dev/b rw\n',
      );
      expect(mountOf(mounts, '/srv/my data/x')?.source).to.equal('/dev/b');
      expect(mountOf(mounts, '/srv/my database')?.source).to.equal('/dev/a');
    });
  });

  describe('disk-latency', () => {
    const judged = async (latency: Partial<DiskLatency>): Promise<string> => {
      const full = { p50Ms: 0.2, p99Ms: 1, samples: 128, probedAt: 1, ...latency };
      const context = { members: [member()], latency: new Map([[storage, full]]) };
      return severities(await runCheck(diskLatency, host, context));
    };

    it('judges the median, the tail and the kernel’s own counters', async () => {
      expect(await judged({})).to.equal('ok');
      expect(await judged({ p50Ms: 3 })).to.equal('warning');
      expect(await judged({ p99Ms: 20 })).to.equal('warning');
      expect(await judged({ p99Ms: 20, samples: 10 })).to.equal('ok');
      expect(await judged({ p50Ms: 9 })).to.equal('critical');
      expect(await judged({ writeAwaitMs: 80 })).to.equal('warning');
    });

    it('says that a probe hangs', async () => {
      expect(await judged({ hungSince: 1 })).to.equal('critical');
    });

    it('does not guess before the first probe', async () => {
      const results = await runCheck(diskLatency, host, { members: [member()] });
      expect(severities(results)).to.equal('unknown');
      expect(await judged({ samples: 0, p50Ms: 0, p99Ms: 0, writeAwaitMs: 80 })).to.equal(
        'warning',
      );
    });
  });

  describe('free space', () => {
    const context = (bytes?: number): Partial<CheckContext> => ({
      members: [member()],
      dataBytes: bytes === undefined ? new Map() : new Map([[storage, bytes]]),
    });

    it('applies the 50 % rule to the data, and not where backups have a volume of their own', async () => {
      const { totalBytes } = await readVolume(host.roots, storage);
      expect(severities(await runCheck(freeSpaceGuide, host, context(totalBytes * 0.49)))).to.equal(
        'ok',
      );
      expect(severities(await runCheck(freeSpaceGuide, host, context(totalBytes * 0.51)))).to.equal(
        'warning',
      );
      host.write(
        'proc/self/mountinfo',
        `1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / ${host.path('nfs')} rw - nfs b rw\n`,
      );
      mkdirSync(host.path('nfs'));
      const elsewhere = [member({ spec: { backupDirectory: host.path('nfs') } })];
      const results = await runCheck(freeSpaceGuide, host, {
        ...context(totalBytes * 0.9),
        members: elsewhere,
      });
      expect(severities(results)).to.equal('ok');
    });

    it('adds up members that share a volume', async () => {
      const { totalBytes } = await readVolume(host.roots, storage);
      const other = host.path('srv/other');
      const members = [member(), makeMember({ member: '01.cortex', spec: { storage: other } })];
      const third = totalBytes / 3;
      const dataBytes = new Map([
        [storage, third],
        [other, third],
      ]);
      const results = await runCheck(freeSpaceGuide, host, { members, dataBytes });
      expect(severities(results)).to.equal('warning warning');
    });

    it('needs the data and 5 % of a shared volume for a backup', async () => {
      const { freeBytes, totalBytes } = await readVolume(host.roots, storage);
      const room = freeBytes - totalBytes * 0.05;
      const tolerance = 64 << 20; // others write to this disk meanwhile
      expect(
        severities(await runCheck(freeSpaceBackup, host, context(Math.max(0, room - tolerance)))),
      ).to.equal('ok');
      expect(severities(await runCheck(freeSpaceBackup, host, context(room + tolerance)))).to.equal(
        'critical',
      );
      expect(severities(await runCheck(freeSpaceBackup, host, context()))).to.equal('unknown');
    });

    it('knows the boot limit, its option and since when there is one', async () => {
      const { freeBytes, totalBytes } = await readVolume(host.roots, storage);
      const above = Math.ceil((freeBytes / totalBytes) * 100) + 1;
      host.write('srv/storage/cell.yaml', `limit:disk:free: ${above}\n`);
      const [guarded] = await runCheck(freeSpaceBoot, host, context());
      expect(guarded?.severity).to.equal('critical');
      const old = member({ spec: { image: { reference: 'x', digest: 'y', version: '2.113.0' } } });
      const [unguarded] = await runCheck(freeSpaceBoot, host, { members: [old] });
      expect(unguarded?.severity).to.equal('warning');
      host.write('srv/storage/cell.mods.yaml', 'limit:disk:free: 0\n');
      expect(severities(await runCheck(freeSpaceBoot, host, context()))).to.equal('ok');
    });

    it('speaks of the volume of a storage that is not there yet', async () => {
      const absent = [member({ spec: { storage: host.path('srv/new/storage') } })];
      const volume = await readVolume(host.roots, host.path('srv/new/storage'));
      expect(volume.exists).to.equal(false);
      expect(severities(await runCheck(freeSpaceBoot, host, { members: absent }))).to.not.contain(
        'unknown',
      );
    });
  });

  describe('storage-owner', () => {
    it('compares the owner with the user, by number and by name', async () => {
      const { uid } = statSync(storage);
      host.write(
        'etc/passwd',
        `synuser:x:${uid}:${uid}::/:/bin/sh\nother:x:4242:4242::/:/bin/sh\n`,
      );
      const judged = async (user?: string): Promise<string> =>
        severities(
          await runCheck(storageOwner, host, {
            members: [member(user === undefined ? {} : { spec: { user } })],
          }),
        );
      expect(await judged(String(uid))).to.equal('ok');
      expect(await judged('synuser')).to.equal('ok');
      expect(await judged('4242:4242')).to.equal('critical');
      expect(await judged('other')).to.equal('critical');
      expect(await judged('nobody-knows')).to.equal('unknown');
      expect(await judged()).to.equal('info');
    });

    it('has nothing against a storage that is not there yet', async () => {
      const members = [member({ spec: { storage: host.path('none'), user: '999' } })];
      expect(severities(await runCheck(storageOwner, host, { members }))).to.equal('info');
    });
  });

  it('memory-size compares RAM with all data', async () => {
    const judged = async (bytes: number): Promise<string> =>
      severities(
        await runCheck(memorySize, host, {
          members: [member()],
          dataBytes: new Map([[storage, bytes]]),
        }),
      );
    expect(await judged(8 * GIB)).to.equal('ok');
    expect(await judged(32 * GIB)).to.equal('info');
    expect(await judged(65 * GIB)).to.equal('warning');
    expect(severities(await runCheck(memorySize, host, { members: [member()] }))).to.equal(
      'unknown',
    );
    expect(await runCheck(memorySize, host)).to.deep.equal([]);
  });
});
