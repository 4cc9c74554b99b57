// The disk watcher, its probe and the data meter, on real directories; a hanging disk is a probe
// that waits.
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import fc from 'fast-check';
import { pino } from 'pino';
import { measureData, startDataMeter } from '@leafward/agent/checks/data-meter.js';
import { startProbe, type Probe, type ProbeResult } from '@leafward/agent/checks/disk-probe.js';
import { startDiskWatcher, type DiskWatcher } from '@leafward/agent/checks/disk-watcher.js';
import { activityBetween } from '@leafward/agent/checks/diskstats.js';
import { createLatencySamples, quantileOf } from '@leafward/agent/checks/latency-samples.js';
import { observeHost, readInventory } from '@leafward/agent/host-fact.js';
import { systemClock } from '@leafward/shared/clock.js';
import { makeHost, type FakeHost } from './fixture.js';

const log = pino({ level: 'silent' });
const REAL = { proc: '/proc', sys: '/sys', etc: '/etc' };

async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(5);
}

describe('disk probe', () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'leafward-probe-'))));
  afterEach(() => rmSync(directory, { recursive: true }));

  it('measures and leaves nothing behind', async () => {
    const { samplesMs } = await startProbe(directory, { samples: 8, budgetMs: 10_000 }).result;
    expect(samplesMs).to.have.lengthOf(8);
    expect(samplesMs.every((ms) => ms > 0)).to.equal(true);
    expect(readdirSync(directory)).to.deep.equal([]);
  });

  it('has no name on the disk while it measures, so a kill leaves nothing either', async () => {
    const probe = startProbe(directory, { samples: 1e9, budgetMs: 60_000 });
    await probe.begun;
    expect(readdirSync(directory)).to.deep.equal([]);
    probe.kill();
    const error = await probe.result.catch((reason: unknown) => reason);
    expect(String(error)).to.contain('[aborted]');
  });

  it('removes the name that a child killed inside open() left, without following it', async () => {
    const precious = join(directory, 'precious');
    writeFileSync(precious, 'kept');
    symlinkSync(precious, join(directory, '.leafward-probe'));
    await startProbe(directory, { samples: 1, budgetMs: 10_000 }).result;
    expect(readdirSync(directory)).to.deep.equal(['precious']);
    expect(readFileSync(precious, 'utf8')).to.equal('kept');
  });

  it('ends when its time is over', async () => {
    const { samplesMs } = await startProbe(directory, { samples: 1e9, budgetMs: 20 }).result;
    expect(samplesMs.length).to.be.greaterThan(0);
  });

  it('says why it could not measure', async () => {
    const probe = startProbe(join(directory, 'absent'));
    const error = await probe.result.catch((reason: unknown) => reason);
    expect(String(error)).to.match(/\[failed\] probe fdatasync in .*absent: ENOENT/);
  });
});

describe('disk watcher', () => {
  let host: FakeHost;
  let watcher: DiskWatcher | undefined;
  beforeEach(() => (host = makeHost()));
  afterEach(async () => {
    await watcher?.stop();
    host.remove();
  });

  const storages = (): readonly [string, string] => {
    const paths = [host.path('srv/a'), host.path('srv/b')] as const;
    for (const path of paths) mkdirSync(path, { recursive: true });
    return paths;
  };

  it('measures for real, once for storages on one device', async () => {
    const paths = storages();
    let probes = 0;
    watcher = startDiskWatcher({
      roots: host.roots,
      clock: systemClock,
      log,
      paths: () => [...paths, host.path('srv/absent')],
      everyMs: 60_000,
      limits: { samples: 16, budgetMs: 10_000 },
      startProbe: (directory, limits) => {
        probes += 1;
        return startProbe(directory, limits);
      },
    });
    await eventually(() => (watcher?.latency().get(paths[0])?.samples ?? 0) > 0);
    const [a, b] = paths.map((path) => watcher?.latency().get(path));
    expect(a).to.deep.equal(b);
    expect(a?.samples).to.equal(16);
    expect(a?.p99Ms).to.be.at.least(a?.p50Ms ?? NaN);
    expect(watcher.latency().has(host.path('srv/absent'))).to.equal(false);
    expect(probes).to.equal(1);
  });

  it('says that a probe hangs, starts no second one, and takes it back', async () => {
    const [path] = storages();
    let passes = 0;
    let finish: (result: ProbeResult) => void = () => undefined;
    let probes = 0;
    const hanging = (): Probe => {
      probes += 1;
      const result = new Promise<ProbeResult>((resolve) => (finish = resolve));
      return { begun: Promise.resolve(), result, kill: () => undefined };
    };
    watcher = startDiskWatcher({
      roots: host.roots,
      clock: systemClock,
      log,
      paths: () => {
        passes += 1;
        return [path];
      },
      everyMs: 2,
      limits: { samples: 1, budgetMs: 1 },
      hangMs: 5,
      startProbe: hanging,
    });
    const latency = () => watcher?.latency().get(path);
    await eventually(() => latency()?.hungSince !== undefined);
    const now = passes;
    await eventually(() => passes > now + 5);
    expect(probes).to.equal(1);
    expect(latency()?.samples).to.equal(0);
    finish({ samplesMs: [6000] });
    await eventually(() => latency()?.hungSince === undefined);
    expect(latency()?.p50Ms).to.equal(6000);
  });

  it('reads the kernel’s counters, and does not probe a busy disk', async () => {
    const [path] = storages();
    const counters = (writes: number, writingMs: number, busyMs: number): void =>
      host.write(
        'proc/diskstats',
        ` 254 1 vda1 0 0 0 0 ${writes} 0 0 ${writingMs} 0 ${busyMs} 0\n`,
      );
    let passes = 0;
    let probes = 0;
    watcher = startDiskWatcher({
      roots: host.roots,
      clock: systemClock,
      log,
      // Asked once in each pass: by the next one 100 writes of 30 ms kept the disk busy all the
      // time.
      paths: () => {
        passes += 1;
        counters(100 * passes, 3000 * passes, 1e9 * passes);
        return [path];
      },
      everyMs: 2,
      startProbe: () => {
        probes += 1;
        const result = Promise.resolve({ samplesMs: [1] });
        return { begun: Promise.resolve(), result, kill: () => undefined };
      },
    });
    await eventually(() => passes > 5);
    expect(watcher.latency().get(path)?.writeAwaitMs).to.equal(30);
    // The first pass has nothing to compare with yet.
    expect(probes).to.equal(1);
  });

  it('takes counters that went back for another device', () => {
    const counters = { writes: 10, writingMs: 10, busyMs: 10 };
    expect(activityBetween(counters, { ...counters, writes: 9 }, 1000)).to.equal(undefined);
    expect(activityBetween(counters, counters, 1000)).to.deep.equal({
      writeAwaitMs: undefined,
      busy: 0,
    });
  });
});

describe('latency samples', () => {
  it('keep the newest, and a quantile is one of them', () => {
    const samples = createLatencySamples(3);
    samples.add([9, 9]);
    samples.add([1, 2, 3]);
    expect([samples.count(), samples.quantile(0.5), samples.quantile(0.99)]).to.deep.equal([
      3, 2, 3,
    ]);
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, noNaN: true }), { minLength: 1 }), (values) => {
        expect(values).to.include(quantileOf(values, 0.5));
        expect(quantileOf(values, 0.99)).to.be.at.least(quantileOf(values, 0.5));
      }),
    );
  });
});

describe('data meter', () => {
  let host: FakeHost;
  beforeEach(() => (host = makeHost()));
  afterEach(() => host.remove());
  const quick = { clock: systemClock, portion: 3, pauseMs: 1 };

  it('counts what is allocated: sparse files by blocks, hard links once', async () => {
    mkdirSync(host.path('data/deep'), { recursive: true });
    const file = host.path('data/deep/a');
    writeFileSync(file, Buffer.alloc(100_000, 1));
    linkSync(file, host.path('data/b'));
    writeFileSync(host.path('data/sparse'), '');
    truncateSync(host.path('data/sparse'), 2 ** 30);
    for (let at = 0; at < 10; at += 1) writeFileSync(host.path(`data/f${at}`), '');
    const bytes = await measureData(host.path('data'), quick, new AbortController().signal);
    const blocks = ['data', 'data/deep', 'data/deep/a', 'data/sparse'];
    const expected = blocks.reduce((sum, name) => sum + statSync(host.path(name)).blocks * 512, 0);
    expect(bytes).to.equal(expected);
    expect(bytes).to.be.below(2 ** 20);
  });

  it('measures a storage that was made just now between two walks', async () => {
    const late = host.path('late');
    const meter = startDataMeter({ ...quick, log, paths: () => [late], everyMs: 3_600_000 });
    await eventually(() => !meter.dataBytes().has(late));
    mkdirSync(late);
    await eventually(() => meter.dataBytes().has(late));
    await meter.stop();
  });

  it('follows the paths and stops in the middle of a walk', async () => {
    const [one, two] = [host.path('proc'), host.path('etc')];
    let paths: readonly string[] = [one, host.path('absent')];
    const meter = startDataMeter({ ...quick, log, paths: () => paths, everyMs: 5 });
    await eventually(() => meter.dataBytes().has(one));
    expect([...meter.dataBytes().keys()]).to.deep.equal([one]);
    paths = [two];
    await eventually(() => meter.dataBytes().has(two) && !meter.dataBytes().has(one));
    await meter.stop();
  });
});

describe('host fact', () => {
  it('reads this very host', async () => {
    const inventory = await readInventory(REAL);
    const latency = new Map([
      [tmpdir(), { p50Ms: 0.5, p99Ms: 2, samples: 9, probedAt: 7, writeAwaitMs: 1 }],
    ]);
    const fact = await observeHost({
      roots: REAL,
      now: 5,
      agentVersion: '1.2.3',
      agentStartedAt: 1,
      loopDelayP99Ms: 3,
      paths: [tmpdir(), tmpdir(), '/nonexistent/deep'],
      latency,
      inventory,
    });
    expect(fact.bootId).to.match(/^[0-9a-f-]{36}$/);
    expect(fact.memoryTotalBytes).to.be.above(2 ** 26);
    expect(fact.agentCpuSeconds).to.be.above(0);
    expect(fact.kernel).to.not.equal('');
    const [volume] = fact.volumes;
    expect(volume).to.include({ path: tmpdir(), fdatasyncP99Ms: 2, probedAt: 7, writeAwaitMs: 1 });
    expect(volume?.totalBytes).to.be.above(volume?.freeBytes ?? Infinity);
    expect(fact.volumes).to.have.lengthOf(2);
  });

  it('does not throw where nothing can be read', async () => {
    const nowhere = { proc: '/nonexistent', sys: '/nonexistent', etc: '/nonexistent' };
    const fact = await observeHost({
      roots: nowhere,
      now: 5,
      agentVersion: '1',
      agentStartedAt: 1,
      loopDelayP99Ms: 0,
      paths: [],
      latency: new Map(),
      inventory: { os: 'Linux', kernel: '' },
    });
    expect(fact.memoryTotalBytes).to.equal(0);
  });
});
