// Only the newest controller confirms a term: an older one is refused and counted by the agent, and stops confirming
// by itself (I11).
import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import { createLogger } from '@leafward/shared/log.js';
import { createEpochs, type Epochs } from '@leafward/agent/epochs.js';
import { openPermits, type Permits } from '@leafward/agent/permits.js';
import { createOwnership, OWNED_MS } from '@leafward/controller/ownership.js';
import { intentOf } from './agent-world.js';

const log = createLogger('test', 'silent');
const permit = { service: 'cortex', member: '00.cortex', term: 3, validMs: 1000 };

describe('an agent', () => {
  let directory = '';
  let now = 0;
  let permits: Permits;
  let epochs: Epochs;
  const start = (bootId = 'boot'): void => {
    permits = openPermits({ monotonic: () => now, path: join(directory, 'permits.json'), bootId });
    epochs = createEpochs({ permits, log, orderEpoch: () => 1 });
  };
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'leafward-epochs-'));
    now = 10_000;
    start();
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('takes permits of the newest epoch that it knows, and refuses and counts older ones', () => {
    epochs.welcomed(2);
    epochs.renew([{ ...permit, epoch: 2 }], 9000);
    expect(permits.of('00.cortex', 3).leftMs).to.equal(0);
    epochs.renew([{ ...permit, epoch: 2 }], 9900);
    expect(permits.of('00.cortex', 3).leftMs).to.equal(900);
    now = 10_500;
    epochs.renew(
      [
        { ...permit, epoch: 1 },
        { ...permit, member: '00.axon', epoch: 1 },
      ],
      10_500,
    );
    expect(permits.of('00.cortex', 3).leftMs).to.equal(400);
    expect(epochs.refused()).to.equal(2);
  });

  it('knows the newest epoch after a restart and a boot, although it got no order in it', () => {
    epochs.welcomed(2);
    start('another boot');
    expect(() => epochs.welcomed(1)).to.throw(LeafwardError, /older than 2/);
    expect(epochs.refused()).to.equal(1);
    epochs.welcomed(2);
  });

  it('takes permits without an epoch from a controller that does not say one', () => {
    epochs.welcomed(2);
    epochs.renew([permit], 9900);
    expect(permits.of('00.cortex', 3).leftMs).to.equal(900);
  });

  it('begins a lease when the order is known, from the last report that was answered', () => {
    epochs.renew([], 9500);
    epochs.accepted({ host: 'alpha', generation: 1, epoch: 2, members: [intentOf({ term: 4 })] });
    expect(permits.of('00.cortex', 4)).to.deep.equal({ leftMs: 0, ageMs: 500 });
    expect(permits.epoch()).to.equal(2);
  });
});

describe('a controller', () => {
  let now = 0;
  let inStore = 7;
  let reads = 0;
  let lost: readonly LeafwardError[] = [];
  const clock: Clock = { now: () => 0, monotonic: () => now, sleep: () => Promise.resolve() };
  const ownership = () =>
    createOwnership({
      clock,
      epoch: 7,
      read: () => {
        reads += 1;
        if (inStore < 0) return Promise.reject(new Error('disk I/O error'));
        return Promise.resolve(inStore);
      },
      onLost: (error) => (lost = [...lost, error]),
    });
  beforeEach(() => {
    now = 0;
    inStore = 7;
    reads = 0;
    lost = [];
  });

  it('asks its store once for all reports of a moment', async () => {
    const owner = ownership();
    const all = await Promise.all(Array.from({ length: 100 }, () => owner.isOwned()));
    expect(all.every(Boolean)).to.equal(true);
    now = OWNED_MS - 1;
    expect(await owner.isOwned()).to.equal(true);
    expect(reads).to.equal(1);
    now = OWNED_MS;
    await owner.isOwned();
    expect(reads).to.equal(2);
  });

  it('confirms nothing once another one took the store over, and ends', async () => {
    const owner = ownership();
    expect(await owner.isOwned()).to.equal(true);
    inStore = 8;
    now = OWNED_MS;
    expect(await owner.isOwned()).to.equal(false);
    expect(await owner.isOwned()).to.equal(false);
    expect(lost.map(({ code }) => code)).to.deep.equal(['stale']);
  });

  it('confirms nothing while its store does not say', async () => {
    const owner = ownership();
    inStore = -1;
    expect(await owner.isOwned()).to.equal(false);
    inStore = 7;
    expect(await owner.isOwned()).to.equal(true);
    expect(lost).to.deep.equal([]);
  });
});
