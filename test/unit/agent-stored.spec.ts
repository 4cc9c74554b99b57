// What only an engine can read in a storage is asked once while nothing changes, and never of what is retired.
import { expect } from 'chai';
import type { Engine } from '@leafward/agent/engines/engine.js';
import { emptyState } from '@leafward/agent/journal/records.js';
import { createStoredReader, type Looked } from '@leafward/agent/observe/stored.js';
import { mirrorIntent } from './agent-world.js';

const signal = new AbortController().signal;
const exec = { commands: {}, positions: 'number' as const };
const marker = { format: 1 as const, service: 'cortex', member: '00.cortex', term: 3 };

describe('what a storage says', () => {
  let now = 0;
  let roles = 0;
  let positions = 0;
  beforeEach(() => {
    now = 0;
    roles = 0;
    positions = 0;
  });
  const engine = {
    readStoredRole: () => Promise.resolve({ upstreamUrl: `tcp://${(roles += 1)}` }),
    storedPosition: () => Promise.resolve((positions += 1)),
    abilities: () => ({ seeds: true, repoints: true, storesPosition: true }),
  } as unknown as Engine;
  const looked = (changes: Partial<Looked> = {}): Looked => ({
    intent: mirrorIntent({ exec }),
    container: { state: 'exited' },
    fact: { answered: false },
    storage: { path: '/srv/00.cortex', fact: {}, marker: { kind: 'found', marker } },
    journal: emptyState,
    atWork: false,
    ...changes,
  });

  it('is asked once, again after a minute, and at once when something was done', async () => {
    const reader = createStoredReader({ monotonic: () => now });
    const first = await reader.read(looked(), engine, signal);
    expect(first).to.deep.equal({ storedRole: { upstreamUrl: 'tcp://1' }, position: 1 });
    now = 59_000;
    expect(await reader.read(looked(), engine, signal)).to.deep.equal(first);
    now = 61_000;
    const later = await reader.read(looked(), engine, signal);
    expect(later).to.deep.equal({ storedRole: { upstreamUrl: 'tcp://2' }, position: 1 });
    reader.changed('00.cortex');
    const changed = await reader.read(looked(), engine, signal);
    expect(changed).to.deep.equal({ storedRole: { upstreamUrl: 'tcp://3' }, position: 2 });
  });
  it('is not asked while steps are at work, and its position not while it runs', async () => {
    const reader = createStoredReader({ monotonic: () => now });
    const running = looked({ container: { state: 'running' } });
    expect((await reader.read(running, engine, signal)).position).to.equal(undefined);
    await reader.read(looked({ atWork: true }), engine, signal);
    expect([roles, positions]).to.deep.equal([1, 1]);
    await reader.read(looked({ atWork: true, container: { state: 'created' } }), engine, signal);
    expect([roles, positions]).to.deep.equal([1, 1]);
  });
  it('is not asked of a retired or a half filled storage (I2)', async () => {
    const reader = createStoredReader({ monotonic: () => now });
    const path = '/srv/00.cortex';
    const retirement = { member: '', service: '', storage: path, term: 3, reason: '', at: 1 };
    const journal = { ...emptyState, retirements: { [path]: { ...retirement, proven: true } } };
    const seeding = { ...marker, seeding: { from: 'x' } };
    const half = { path, fact: {}, marker: { kind: 'found' as const, marker: seeding } };
    expect(await reader.read(looked({ journal, storage: half }), engine, signal)).to.deep.equal({
      position: undefined,
    });
    expect([roles, positions]).to.deep.equal([0, 0]);
  });
});
