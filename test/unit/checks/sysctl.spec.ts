// The five sysctl checks and the scale of the dirty limits.
import { expect } from 'chai';
import fc from 'fast-check';
import { scaleDirtyLimits, type DirtyLimit } from '@leafward/agent/checks/dirty-scale.js';
import { readInForce } from '@leafward/agent/checks/sysctl-check.js';
import { SYSCTL_RULES } from '@leafward/agent/checks/sysctl-rules.js';
import { vmDirtyBackground } from '@leafward/agent/checks/vm-dirty-background-ratio.js';
import { vmDirtyExpire } from '@leafward/agent/checks/vm-dirty-expire-centisecs.js';
import { vmDirty } from '@leafward/agent/checks/vm-dirty-ratio.js';
import { vmDirtyWriteback } from '@leafward/agent/checks/vm-dirty-writeback-centisecs.js';
import { vmSwappiness } from '@leafward/agent/checks/vm-swappiness.js';
import { GIB, makeHost, runCheck, severities, type FakeHost } from './fixture.js';

const text = ({ unit, value }: DirtyLimit): string => `${value} ${unit}`;

describe('scaled dirty limits', () => {
  for (const [ramGib, background, dirty] of [
    [4, '10 ratio', '20 ratio'],
    [32, '8 ratio', '16 ratio'],
    [64, '4 ratio', '8 ratio'],
    [125.6, '2 ratio', '4 ratio'],
    [128, '2 ratio', '4 ratio'],
    [256, '1 ratio', '2 ratio'],
    [384, '2748776448 bytes', '1 ratio'],
    [1024, '2748776448 bytes', '5497552896 bytes'],
  ] as const) {
    it(`are ${background} and ${dirty} at ${ramGib} GiB`, () => {
      const limits = scaleDirtyLimits(ramGib * GIB);
      expect([text(limits.background), text(limits.dirty)]).to.deep.equal([background, dirty]);
    });
  }

  const ram = fc.integer({ min: 256, max: 64 * 1024 * 1024 }).map((mib) => mib * 2 ** 20);

  it('never rise with RAM', () => {
    const step = ({ unit, value }: DirtyLimit): number => (unit === 'ratio' ? value : 0.5);
    fc.assert(
      fc.property(ram, ram, (a, b) => {
        const [less, more] = [scaleDirtyLimits(Math.min(a, b)), scaleDirtyLimits(Math.max(a, b))];
        expect(step(more.background)).to.be.at.most(step(less.background));
        expect(step(more.dirty)).to.be.at.most(step(less.dirty));
      }),
    );
  });

  it('keep background below dirty, within what the kernel takes', () => {
    fc.assert(
      fc.property(ram, (ramBytes) => {
        const { background, dirty } = scaleDirtyLimits(ramBytes);
        const bytesOf = ({ unit, value }: DirtyLimit): number =>
          unit === 'ratio' ? (value / 100) * ramBytes : value;
        expect(bytesOf(background)).to.be.below(bytesOf(dirty));
        expect(background.value).to.be.at.least(1);
        expect(dirty.unit === 'bytes' || dirty.value <= 20).to.equal(true);
      }),
    );
  });
});

describe('sysctl checks', () => {
  let host: FakeHost;
  beforeEach(() => (host = makeHost()));
  afterEach(() => host.remove());

  for (const [check, key, value] of [
    [vmSwappiness, 'swappiness', '10'],
    [vmDirtyExpire, 'dirty_expire_centisecs', '20'],
    [vmDirtyWriteback, 'dirty_writeback_centisecs', '20'],
  ] as const) {
    it(`${check.id} wants ${value} and nothing else`, async () => {
      expect(severities(await runCheck(check, host))).to.equal('warning');
      host.write(`proc/sys/vm/${key}`, `${value}\n`);
      expect(severities(await runCheck(check, host))).to.equal('ok');
    });
  }

  it('takes the default ratios for right on a small host and for wrong at 128 GiB', async () => {
    expect(severities(await runCheck(vmDirty, host))).to.equal('ok');
    const large = makeHost(128 * GIB);
    expect(severities(await runCheck(vmDirty, large))).to.equal('warning');
    expect(severities(await runCheck(vmDirtyBackground, large))).to.equal('warning');
    large.remove();
  });

  it('calls less dirty memory than wanted information only', async () => {
    host.write('proc/sys/vm/dirty_ratio', '4\n');
    expect(severities(await runCheck(vmDirty, host))).to.equal('info');
  });

  it('judges the bytes where they are in force', async () => {
    host.write('proc/sys/vm/dirty_ratio', '0\n');
    host.write('proc/sys/vm/dirty_bytes', `${Math.round(0.2 * 16 * GIB)}\n`);
    expect(severities(await runCheck(vmDirty, host))).to.equal('ok');
    host.write('proc/sys/vm/dirty_bytes', `${8 * GIB}\n`);
    expect(severities(await runCheck(vmDirty, host))).to.equal('warning');
  });

  it('names the file that set a wrong value', async () => {
    host.write('etc/sysctl.d/30-db.conf', 'vm.swappiness = 60\n');
    const [result] = await runCheck(vmSwappiness, host);
    expect(result?.seen).to.equal(`60, set by ${host.path('etc/sysctl.d/30-db.conf')}`);
  });

  it('is unknown where there is no such sysctl', async () => {
    const nowhere = { ...host.roots, proc: host.path('nothing') };
    expect(severities(await runCheck(vmSwappiness, host, { roots: nowhere }))).to.equal('unknown');
  });

  it('reads the real /proc/sys', () => {
    const roots = { proc: '/proc', sys: '/sys', etc: '/etc' };
    const values = SYSCTL_RULES.map((rule) => Number(readInForce(roots, rule)?.value));
    expect(values.every((value) => Number.isInteger(value) && value >= 0)).to.equal(true);
  });
});
