// The tuner on a host of files: applied, kept, overridden, undone.
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { createTuner } from '@leafward/agent/checks/tuner.js';
import type { Tuner } from '@leafward/agent/checks/check.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { TuneChange } from '@leafward/shared/gen/domain.js';
import { GIB, makeHost, type FakeHost } from './fixture.js';

const APPLY = { dryRun: false };
const OWN = 'etc/sysctl.d/60-leafward.conf';

describe('tuner', () => {
  let host: FakeHost;
  beforeEach(() => (host = makeHost(128 * GIB)));
  afterEach(() => host.remove());

  const tuner = (): Tuner =>
    createTuner({ roots: host.roots, stateFile: host.path('state/tuner.json') });
  const read = (name: string): string => readFileSync(host.path(name), 'utf8');
  const sysctl = (name: string): string => read(`proc/sys/vm/${name}`).trim();
  const settings = (): readonly string[] =>
    read(OWN)
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
  const brief = (changes: readonly TuneChange[]): readonly string[] =>
    changes.map(({ name, before, after }) => `${name} ${before} -> ${after}`);

  it('applies all five at once and durably', async () => {
    const changes = await tuner().apply([], APPLY);
    expect(brief(changes)).to.deep.equal([
      'vm.swappiness 60 -> 10',
      'vm.dirty_expire_centisecs 3000 -> 20',
      'vm.dirty_writeback_centisecs 500 -> 20',
      'vm.dirty_background_ratio 10 -> 2',
      'vm.dirty_ratio 20 -> 4',
    ]);
    expect(sysctl('swappiness')).to.equal('10');
    expect(settings()).to.deep.equal([
      'vm.dirty_background_ratio = 2',
      'vm.dirty_expire_centisecs = 20',
      'vm.dirty_ratio = 4',
      'vm.dirty_writeback_centisecs = 20',
      'vm.swappiness = 10',
    ]);
    expect(await tuner().apply([], APPLY)).to.deep.equal([]);
  });

  it('shows and does not touch with dryRun', async () => {
    const changes = await tuner().apply(['vm-swappiness'], { dryRun: true });
    expect(brief(changes)).to.deep.equal(['vm.swappiness 60 -> 10']);
    expect(sysctl('swappiness')).to.equal('60');
    expect(() => read(OWN)).to.throw('ENOENT');
    expect(() => read('state/tuner.json')).to.throw('ENOENT');
  });

  it('undoes after a restart and a second apply what was before the first', async () => {
    await tuner().apply(['vm-swappiness', 'vm-dirty-ratio'], APPLY);
    // Drift by hand, corrected by a second apply in another process.
    host.write('proc/sys/vm/swappiness', '90\n');
    expect(brief(await tuner().apply(['vm-swappiness'], APPLY))).to.deep.equal([
      'vm.swappiness 90 -> 10',
    ]);
    const undone = await tuner().undo(['vm-swappiness'], APPLY);
    expect(brief(undone)).to.deep.equal(['vm.swappiness 10 -> 60']);
    expect(sysctl('swappiness')).to.equal('60');
    expect(settings()).to.deep.equal(['vm.dirty_ratio = 4']);
    await tuner().undo([], APPLY);
    expect(sysctl('dirty_ratio')).to.equal('20');
    expect(() => read(OWN)).to.throw('ENOENT');
    expect(await tuner().undo([], APPLY)).to.deep.equal([]);
  });

  it('makes a value durable that is right only for now', async () => {
    host.write('proc/sys/vm/swappiness', '10\n');
    expect(brief(await tuner().apply(['vm-swappiness'], APPLY))).to.deep.equal([
      'vm.swappiness 10 -> 10',
    ]);
    expect(settings()).to.deep.equal(['vm.swappiness = 10']);
  });

  it('goes from bytes to a ratio and back', async () => {
    host.write('proc/sys/vm/dirty_ratio', '0\n');
    host.write('proc/sys/vm/dirty_bytes', '999424\n');
    const [change] = await tuner().apply(['vm-dirty-ratio'], APPLY);
    expect(change?.before).to.equal('vm.dirty_bytes = 999424');
    // What the kernel does by itself.
    host.write('proc/sys/vm/dirty_bytes', '0\n');
    const [undone] = await tuner().undo(['vm-dirty-ratio'], APPLY);
    expect(undone?.after).to.equal('vm.dirty_bytes = 999424');
    expect(sysctl('dirty_bytes')).to.equal('999424');
  });

  it('keeps nothing in its file but its own keys', async () => {
    host.write(OWN, 'net.ipv4.ip_forward = 1\nvm/dirty_ratio=7\n');
    await tuner().apply(['vm-swappiness'], APPLY);
    expect(settings()).to.deep.equal(['vm.dirty_ratio = 7', 'vm.swappiness = 10']);
  });

  const overrides: readonly (readonly [string, string, string, string])[] = [
    ['a later file', 'etc/sysctl.d/99-db.conf', 'vm.swappiness = 1\n', '99-db.conf'],
    ['a later file of a package', 'usr/lib/sysctl.d/70-x.conf', '-vm/swappiness=1\n', '70-x.conf'],
    ['sysctl.conf', 'etc/sysctl.conf', 'vm.swappiness=1\n', 'sysctl.conf'],
    [
      'cloud-init',
      'etc/cloud/cloud.cfg.d/9.cfg',
      'runcmd: [sysctl vm.swappiness=1]\n',
      'cloud-init',
    ],
  ];
  for (const [who, file, text, named] of overrides) {
    it(`names ${who} that overrides it`, async () => {
      host.write(file, text);
      const [change] = await tuner().apply(['vm-swappiness'], APPLY);
      expect(change?.overriddenBy).to.contain(named);
    });
  }

  const harmless: readonly (readonly [string, string, string])[] = [
    ['an earlier file', 'etc/sysctl.d/10-db.conf', 'vm.swappiness = 1\n'],
    ['a later file of the same mind', 'etc/sysctl.d/99-db.conf', 'vm.swappiness = 10\n'],
    ['a comment', 'etc/sysctl.d/99-db.conf', '# vm.swappiness = 1\n; vm.swappiness = 1\n'],
    ['a file that is no .conf', 'etc/sysctl.d/99-db.conf.bak', 'vm.swappiness = 1\n'],
  ];
  for (const [what, file, text] of harmless) {
    it(`does not take ${what} for an override`, async () => {
      host.write(file, text);
      const [change] = await tuner().apply(['vm-swappiness'], APPLY);
      expect(change?.overriddenBy).to.equal(undefined);
    });
  }

  it('knows that a name in /etc hides the same name in /usr/lib', async () => {
    host.write('usr/lib/sysctl.d/99-db.conf', 'vm.swappiness = 1\n');
    mkdirSync(host.path('etc/sysctl.d'));
    symlinkSync('/dev/null', host.path('etc/sysctl.d/99-db.conf'));
    const [change] = await tuner().apply(['vm-swappiness'], APPLY);
    expect(change?.overriddenBy).to.equal(undefined);
  });

  it('knows that the bytes of a later file undo a ratio', async () => {
    host.write('etc/sysctl.d/99-db.conf', 'vm.dirty_bytes = 1000000\n');
    const [change] = await tuner().apply(['vm-dirty-ratio'], APPLY);
    expect(change?.overriddenBy).to.contain('vm.dirty_bytes = 1000000');
  });

  it('names tuned only when it does not read sysctl.d again', async () => {
    host.write('etc/tuned/active_profile', 'mine\n');
    host.write('usr/lib/tuned/mine/tuned.conf', '[main]\ninclude=base\n');
    host.write('usr/lib/tuned/base/tuned.conf', '[sysctl]\nvm.swappiness=30\n');
    const [first] = await tuner().apply(['vm-swappiness'], { dryRun: true });
    expect(first?.overriddenBy).to.equal(undefined);
    host.write('etc/tuned/tuned-main.conf', 'reapply_sysctl = 0\n');
    const [second] = await tuner().apply(['vm-swappiness'], { dryRun: true });
    expect(second?.overriddenBy).to.contain('tuned profile mine');
  });

  it('does the others when one fails, and says which', async () => {
    rmSync(host.path('proc/sys/vm/dirty_expire_centisecs'));
    mkdirSync(host.path('proc/sys/vm/dirty_expire_centisecs'));
    const failure = await tuner()
      .apply([], APPLY)
      .then(
        () => undefined,
        (error: unknown) => error,
      );
    expect(failure).to.be.instanceOf(LeafwardError);
    expect((failure as LeafwardError).code).to.equal('failed');
    expect((failure as LeafwardError).detail.join('\n')).to.match(
      /failed: .*dirty_expire_centisecs/,
    );
    expect((failure as LeafwardError).detail).to.include('tried vm.swappiness: 60 -> 10');
    expect(sysctl('swappiness')).to.equal('10');
  });

  it('tells when the kernel took a value and kept another', async () => {
    // A file of the real kernel that takes 4 and then reads 00000004; it is this process's own.
    const filter = '/proc/self/coredump_filter';
    const before = readFileSync(filter, 'utf8');
    rmSync(host.path('proc/sys/vm/dirty_ratio'));
    symlinkSync(filter, host.path('proc/sys/vm/dirty_ratio'));
    const failure = await tuner()
      .apply(['vm-dirty-ratio'], APPLY)
      .catch((error: unknown) => error);
    writeFileSync(filter, `0x${before.trim()}`);
    expect((failure as LeafwardError).text).to.contain('the kernel kept 00000004');
  });

  it('refuses what it cannot tune, and a state that it cannot read', async () => {
    await rejects(tuner().apply(['disk-latency'], APPLY), 'invalid');
    host.write('state/tuner.json', '{"format":1,"originals":{"x":{"key":"../etc","value":"1"}}}');
    await rejects(tuner().apply([], APPLY), 'failed');
    expect(sysctl('swappiness')).to.equal('60');
  });
});

async function rejects(work: Promise<unknown>, code: string): Promise<void> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(LeafwardError);
  expect((error as LeafwardError).code).to.equal(code);
}
