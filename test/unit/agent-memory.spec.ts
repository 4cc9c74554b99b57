// What the agent remembers and for how long: journal, marker, permits, attempts, orders, lock.
import { expect } from 'chai';
import { appendFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { HostIntent, Outcome, Request } from '@leafward/shared/gen/domain.js';
import { createLogger } from '@leafward/shared/log.js';
import { judgeIntent } from '@leafward/agent/intents.js';
import { openJournal, readJournal, type JournalRecord } from '@leafward/agent/journal.js';
import { SETTLED_KEPT } from '@leafward/agent/journal/fold.js';
import { emptyState } from '@leafward/agent/journal/records.js';
import { readMarker, writeMarker } from '@leafward/agent/marker.js';
import {
  afterLook,
  afterSteps,
  backoffOf,
  freshAttempts,
} from '@leafward/agent/observe/attempts.js';
import { withoutSecrets } from '@leafward/agent/observe/output.js';
import { openPermits } from '@leafward/agent/permits.js';
import { openImageStore, versionIn } from '@leafward/agent/runtimes/process/image-store.js';
import { lockState } from '@leafward/agent/state-lock.js';
import { intentOf } from './agent-world.js';

const log = createLogger('test', 'silent');
let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leafward-memory-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function rejectionOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it was not rejected');
}

const hostIntent = (generation: number, changes: Partial<HostIntent> = {}): HostIntent => ({
  host: 'alpha',
  generation,
  epoch: 1,
  members: [intentOf()],
  ...changes,
});
const accepted = (generation: number): JournalRecord => ({
  kind: 'intent-accepted',
  at: 1,
  intent: hostIntent(generation),
});
const requestOf = (id: string): Request => ({
  kind: 'check-host',
  id,
  epoch: 1,
  expiresAt: 0,
  member: '',
  term: 0,
});
const outcomeOf = (requestId: string): Outcome => ({
  requestId,
  state: 'succeeded',
  startedAt: 1,
  changes: [],
});

describe('the agent’s journal', () => {
  const path = (): string => join(directory, 'journal.log');

  it('holds what was appended, over a restart', async () => {
    const journal = await openJournal(path(), log);
    await journal.append(accepted(1));
    await journal.append({ kind: 'promotion-begun', member: '00.cortex', term: 3 });
    await journal.close();
    const again = await openJournal(path(), log);
    expect(again.state).to.deep.equal(journal.state);
    expect(again.state.terms).to.deep.equal({ cortex: 3 });
    expect(again.state.promotions).to.deep.equal({ '00.cortex': 3 });
    await again.close();
  });

  it('is readable by its owner only', async () => {
    const journal = await openJournal(path(), log);
    await journal.append(accepted(1));
    expect((await stat(path())).mode & 0o777).to.equal(0o600);
    await journal.close();
  });

  it('loses nothing but the torn record, wherever the tear is', async () => {
    const journal = await openJournal(path(), log);
    await journal.append(accepted(1));
    const whole = (await stat(path())).size;
    await journal.append(accepted(2));
    await journal.close();
    const bytes = await readFile(path());
    for (let cut = whole; cut < bytes.length; cut += 97) {
      await writeFile(path(), bytes.subarray(0, cut));
      const torn = await openJournal(path(), log);
      expect(torn.state.intent?.generation).to.equal(1);
      await torn.append(accepted(7));
      await torn.close();
      expect((await readJournal(path())).intent?.generation).to.equal(7);
    }
  });

  it('does not act on a journal whose middle is damaged', async () => {
    const journal = await openJournal(path(), log);
    await journal.append(accepted(1));
    await journal.append(accepted(2));
    await journal.close();
    const bytes = await readFile(path());
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    await writeFile(path(), bytes);
    const error = await rejectionOf(openJournal(path(), log));
    expect(error).to.be.instanceOf(LeafwardError);
    expect(error.message).to.include('damaged').and.to.include('byte 0');
  });

  it('refuses records that cannot follow, and writes nothing of them', async () => {
    const journal = await openJournal(path(), log);
    await journal.append(accepted(2));
    await journal.append({ kind: 'request-started', at: 1, request: requestOf('r1') });
    const { size } = await stat(path());
    const illegal: readonly JournalRecord[] = [
      accepted(2),
      accepted(1),
      { kind: 'request-started', at: 1, request: requestOf('r1') },
      { kind: 'request-settled', outcome: outcomeOf('never-started') },
      { kind: 'request-settled', outcome: { ...outcomeOf('r1'), state: 'running' } },
      { kind: 'step-ended', member: '00.cortex' },
      { kind: 'retirement-proven', storage: '/srv/x' },
    ];
    for (const record of illegal)
      expect((await rejectionOf(journal.append(record))).name).to.equal('AssertionError');
    expect((await stat(path())).size).to.equal(size);
    await journal.close();
  });

  it('asserts that nothing starts on a retired storage (I2)', async () => {
    const journal = await openJournal(path(), log);
    const retirement = { ...emptyRetirement, storage: '/srv/a' };
    await journal.append({ kind: 'retired', retirement });
    const start = { kind: 'step-started', at: 1, member: 'x', step: 'start', cause: '' } as const;
    const error = await rejectionOf(journal.append({ ...start, storage: '/srv/a' }));
    expect(error.message).to.include('I2');
    await journal.append({ ...start, storage: '/srv/b' });
    expect(journal.state.starts['x']).to.deep.equal({ starts: 1, sinceRetired: 0 });
    await journal.close();
  });

  it('is made anew when it is long, and remembers the same', async () => {
    const journal = await openJournal(path(), log);
    await journal.append(accepted(1));
    const padding = 'x'.repeat(200_000);
    for (let index = 0; index < 12; index += 1) {
      const request = { ...requestOf(`r${index}`), member: padding };
      await journal.append({ kind: 'request-started', at: 1, request });
      await journal.append({ kind: 'request-settled', outcome: outcomeOf(`r${index}`) });
    }
    expect((await stat(path())).size).to.be.lessThan(1_200_000);
    await journal.close();
    expect(await readJournal(path())).to.deep.equal(journal.state);
  });

  it('forgets the oldest acknowledged outcomes only', async () => {
    const journal = await openJournal(path(), log);
    let state = { ...emptyState };
    const { fold } = await import('@leafward/agent/journal/fold.js');
    for (let index = 0; index < SETTLED_KEPT + 5; index += 1) {
      const id = `r${index}`;
      state = fold(state, { kind: 'request-started', at: 1, request: requestOf(id) });
      state = fold(state, { kind: 'request-settled', outcome: outcomeOf(id) });
      if (index !== 0) state = fold(state, { kind: 'outcomes-acknowledged', ids: [id] });
    }
    expect(Object.keys(state.requests)).to.include('r0').and.not.to.include('r1');
    expect(Object.keys(state.requests).length).to.be.lessThan(SETTLED_KEPT + 3);
    await journal.close();
  });
});

const emptyRetirement = {
  member: '00.cortex',
  service: 'cortex',
  storage: '',
  term: 4,
  reason: 'failover',
  at: 5,
};

describe('the storage’s marker', () => {
  it('is made with its directory and read back', async () => {
    const storage = join(directory, 'a/b');
    expect(await readMarker(storage)).to.deep.equal({ kind: 'none' });
    const marker = { format: 1 as const, service: 'cortex', member: '00.cortex', term: 3 };
    await writeMarker(storage, marker);
    expect(await readMarker(storage)).to.deep.equal({ kind: 'found', marker });
  });
  it('is unreadable, not absent, when it is damaged', async () => {
    await writeFile(join(directory, '.leafward.json'), '{"format":1}');
    expect((await readMarker(directory)).kind).to.equal('unreadable');
  });
});

describe('permits', () => {
  const open = (now: { value: number }, bootId = 'boot') =>
    openPermits({ monotonic: () => now.value, path: join(directory, 'permits.json'), bootId });
  const permit = { service: 'cortex', member: '00.cortex', term: 3, validMs: 1000 };

  it('run from the moment that the report was sent', () => {
    const now = { value: 10_000 };
    const permits = open(now);
    permits.renew([permit], 9_700);
    expect(permits.of('00.cortex', 3)).to.deep.equal({ leftMs: 700, ageMs: 300 });
    now.value = 10_700;
    expect(permits.of('00.cortex', 3).leftMs).to.equal(0);
    expect(permits.of('00.cortex', 4).leftMs).to.equal(0);
  });
  it('are never set back by an answer that comes late', () => {
    const now = { value: 10_000 };
    const permits = open(now);
    permits.renew([{ ...permit, term: 4 }], 9_900);
    permits.renew([permit, { ...permit, term: 4 }], 9_000);
    expect(permits.of('00.cortex', 4).ageMs).to.equal(100);
  });
  it('keep a lease’s age over a restart of the agent, not over a boot', () => {
    const now = { value: 10_000 };
    open(now).renew([permit], 10_000);
    now.value = 14_000;
    const restarted = open(now);
    restarted.expect('00.cortex', 3);
    expect(restarted.of('00.cortex', 3).ageMs).to.equal(4000);
    const booted = open(now, 'another boot');
    booted.expect('00.cortex', 3);
    expect(booted.of('00.cortex', 3)).to.deep.equal({ leftMs: 0, ageMs: 0 });
  });
  it('start nothing after a restart of the agent until the controller says it again', () => {
    const now = { value: 10_000 };
    open(now).renew([permit], 10_000);
    const restarted = open(now);
    expect(restarted.of('00.cortex', 3).leftMs).to.equal(0);
    now.value = 10_100;
    restarted.renew([permit], 10_050);
    expect(restarted.of('00.cortex', 3).leftMs).to.equal(950);
  });
  it('give a new term a lease of its own, from the last report that was answered', () => {
    const now = { value: 10_000 };
    const permits = open(now);
    permits.renew([permit], 9900);
    permits.expect('00.cortex', 4);
    expect(permits.of('00.cortex', 4)).to.deep.equal({ leftMs: 0, ageMs: 100 });
  });
});

describe('attempts', () => {
  const running = { state: 'running' as const };
  const exited = { state: 'exited' as const };
  it('double the time after each crash, up to five minutes', () => {
    let attempts = freshAttempts('k');
    const delays: number[] = [];
    let now = 0;
    for (let crash = 0; crash < 12; crash += 1) {
      attempts = afterSteps(attempts, { done: ['start'], wantsRunning: true }, now);
      attempts = afterLook(attempts, exited, now + 10);
      delays.push(backoffOf(attempts, now + 10).leftMs);
      now += delays.at(-1) ?? 0;
    }
    expect(delays.slice(0, 4)).to.deep.equal([1000, 2000, 4000, 8000]);
    expect(delays.at(-1)).to.equal(300_000);
  });
  it('begin anew for one that lived a minute, and count no end that was wanted', () => {
    let attempts = afterLook(freshAttempts('k'), running, 0);
    attempts = afterLook(attempts, exited, 5000);
    attempts = afterLook(attempts, running, 6000);
    attempts = afterLook(attempts, exited, 70_000);
    expect(attempts.failures).to.equal(1);
    let stopped = afterLook(freshAttempts('k'), running, 0);
    stopped = afterSteps(stopped, { done: ['stop'], wantsRunning: true }, 10);
    expect(afterLook(stopped, exited, 20).failures).to.equal(0);
  });
  it('start what was found stopped at once', () => {
    expect(backoffOf(afterLook(freshAttempts('k'), exited, 9), 9).leftMs).to.equal(0);
  });
});

describe('orders', () => {
  const known = { ...emptyState, intent: hostIntent(5, { epoch: 2 }), terms: { cortex: 3 } };
  const judge = (intent: HostIntent) =>
    judgeIntent(intent, { host: 'alpha', kinds: ['synapse'], state: known }).kind;
  it('are new, known or refused (I11)', () => {
    expect(judge(hostIntent(6, { epoch: 2 }))).to.equal('new');
    expect(judge(hostIntent(5, { epoch: 2 }))).to.equal('known');
    expect(judge(hostIntent(5, { epoch: 3 }))).to.equal('new');
    expect(judge(hostIntent(5, { epoch: 2, members: [] }))).to.equal('refused');
    expect(judge(hostIntent(4, { epoch: 2 }))).to.equal('refused');
    expect(judge(hostIntent(6, { epoch: 1 }))).to.equal('refused');
    expect(judge(hostIntent(6, { epoch: 2, host: 'bravo' }))).to.equal('refused');
    const older = hostIntent(6, { epoch: 2, members: [intentOf({ term: 2 })] });
    expect(judge(older)).to.equal('refused');
    const fenced = intentOf({ term: 4, run: 'retired' });
    const beside = intentOf({ member: '09.cortex', term: 3, role: 'mirror' });
    expect(judge(hostIntent(6, { epoch: 2, members: [fenced, beside] }))).to.equal('new');
    const spec = { ...intentOf().spec, kind: 'teapot' };
    expect(judge(hostIntent(6, { epoch: 2, members: [intentOf({ spec })] }))).to.equal('refused');
    const escaping = hostIntent(6, { epoch: 2, members: [intentOf({ member: '../x' })] });
    expect(judge(escaping)).to.equal('refused');
  });
});

describe('small certainties', () => {
  it('one agent for each state directory, and a dead one’s lock is no lock', async () => {
    const unlock = await lockState(directory);
    expect((await rejectionOf(lockState(directory))).message).to.include('already-exists');
    await unlock();
    const dead = { pid: process.pid, startTicks: 1, bootId: 'long ago' };
    await writeFile(join(directory, 'agent.lock'), JSON.stringify(dead));
    await (
      await lockState(directory)
    )();
    await appendFile(join(directory, 'agent.lock'), 'garbage');
    await (
      await lockState(directory)
    )();
  });
  it('a version is read from a file’s name', () => {
    expect(versionIn('/x/cell-2.113.0.cjs')).to.equal('2.113.0');
    expect(versionIn('/x/cell-2.113.0-rc.1.cjs')).to.equal('2.113.0-rc.1');
    expect(versionIn('/x/cell')).to.equal(undefined);
  });
  it('a log line is told without addresses and passwords (I14)', () => {
    expect(withoutSecrets('provision ssl://aha.x:1/00ff?certhash=1 failed')).to.equal(
      'provision ssl://[hidden] failed',
    );
    expect(withoutSecrets('passwd=hunter2')).to.equal('passwd=[hidden]');
  });
});

describe('the image store', () => {
  it('fetches one image once for several members, also over what a killed agent left', async () => {
    const reference = join(directory, 'cell-2.113.0.cjs');
    await writeFile(reference, 'x'.repeat(3_000_000));
    const store = openImageStore(join(directory, 'images'));
    const signal = new AbortController().signal;
    const image = await store.resolve(reference, signal);
    const folder = join(directory, 'images', image.digest.slice('sha256:'.length));
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'cell-2.113.0.cjs.part'), 'half');
    expect(await store.find(image.digest)).to.equal(undefined);
    const pulls = Array.from({ length: 5 }, () => store.pull(image, () => undefined, signal));
    for (const pulled of await Promise.all(pulls)) expect(pulled).to.deep.equal(image);
    expect(await store.find(image.digest)).to.equal(join(folder, 'cell-2.113.0.cjs'));
  });
});
