// Requests: each at most once, through a crash, a repeat and a refusal (I10, I11, I12). The journal is real; an
// act is whatever the test lets happen.
import { expect } from 'chai';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Outcome, Request } from '@leafward/shared/gen/domain.js';
import { createLogger } from '@leafward/shared/log.js';
import { openJournal, type Journal } from '@leafward/agent/journal.js';
import { openRequests, type Act, type Requests } from '@leafward/agent/requests.js';
import { eventually } from '../conformance/runtime.js';
import { intentOf } from './agent-world.js';

const log = createLogger('test', 'silent');

describe('the agent’s requests', () => {
  let directory = '';
  let journal: Journal;
  let begun: string[] = [];
  beforeEach(async () => {
    begun = [];
    directory = await mkdtemp(join(tmpdir(), 'leafward-requests-'));
    journal = await openJournal(join(directory, 'journal.log'), log);
    const intent = { host: 'alpha', generation: 1, epoch: 2, members: [intentOf()] };
    await journal.append({ kind: 'intent-accepted', at: 1, intent });
  });
  afterEach(async () => {
    await journal.close();
    await rm(directory, { recursive: true, force: true });
  });

  const common = { epoch: 2, expiresAt: 0, member: '00.cortex', term: 3 };
  const backup = (id: string): Request => ({ ...common, id, kind: 'run-backup', name: id });
  const promote = (id: string): Request => ({
    ...common,
    id,
    kind: 'promote',
    graceful: true,
    timeoutMs: 1000,
  });
  const check = (id: string): Request => ({ ...common, id, member: '', kind: 'check-host' });
  const open = (act: Act): Promise<Requests> =>
    openRequests({
      journal,
      clock: systemClock,
      log,
      act: (request, onProgress, signal) => {
        begun.push(request.id);
        return act(request, onProgress, signal);
      },
      clockOffsetMs: () => 0,
      onChange: () => undefined,
      onProgress: () => undefined,
    });
  const ended = (requests: Requests, id: string): Promise<Outcome | undefined> =>
    eventually(
      () => requests.outcomes().find((one) => one.requestId === id && one.state !== 'running'),
      (outcome) => outcome !== undefined,
      `${id} ended`,
    );
  const untilAborted = (signal: AbortSignal): Promise<never> =>
    new Promise((_, reject) =>
      signal.addEventListener('abort', () => reject(new LeafwardError('aborted', 'cut short'))),
    );

  it('begins one once, however often it comes, and tells until it is acknowledged', async () => {
    const requests = await open(() => Promise.resolve({ position: 7 }));
    await Promise.all([requests.receive(backup('b1')), requests.receive(backup('b1'))]);
    expect(await ended(requests, 'b1')).to.include({ state: 'succeeded', position: 7 });
    await requests.receive(backup('b1'));
    await requests.acknowledge(['b1', 'unheard']);
    expect(requests.outcomes()).to.deep.equal([]);
    await requests.receive(backup('b1')); // asked again: told again, not done again
    expect(requests.outcomes()).to.have.length(1);
    expect(begun).to.deep.equal(['b1']);
  });

  it('tells why one failed, with its code', async () => {
    const requests = await open(() =>
      Promise.reject(new LeafwardError('exhausted', 'it needs 5 MB and 1 MB is free')),
    );
    await requests.receive(backup('b1'));
    const outcome = await ended(requests, 'b1');
    expect(outcome).to.include({ state: 'failed', code: 'exhausted' });
    expect(outcome?.message).to.include('5 MB');
  });

  it('after a crash does again what is harmless, and does not guess about the rest', async () => {
    const first = await open((_, __, signal) => untilAborted(signal));
    for (const request of [promote('p1'), check('c1')]) await first.receive(request);
    await first.stop();
    await journal.close();
    journal = await openJournal(join(directory, 'journal.log'), log);
    const second = await open(() => Promise.resolve({}));
    expect(await ended(second, 'p1')).to.include({ state: 'unknown' });
    expect(await ended(second, 'c1')).to.include({ state: 'succeeded' });
    expect(begun).to.deep.equal(['p1', 'c1', 'c1']);
  });

  const act = (id: string, kind: 'step-down' | 'restore-backup'): Request =>
    kind === 'step-down'
      ? { ...common, id, kind, timeoutMs: 1000 }
      : { ...common, id, kind, backup: 'b1', wipe: false };
  it('after a crash steps down no more, and restores only what it had begun to empty (I12)', async () => {
    const requests = ['s1', 'r1', 'r2'].map((id) =>
      act(id, id === 's1' ? 'step-down' : 'restore-backup'),
    );
    for (const request of requests)
      await journal.append({ kind: 'request-started', at: 1, request });
    const filling = { id: 'r2', member: '00.cortex', storage: '/srv/x', reseed: false, term: 4 };
    await journal.append({ kind: 'filling-begun', ...filling });
    const second = await open(() => Promise.resolve({ position: 7 }));
    expect(await ended(second, 's1')).to.include({ state: 'unknown' });
    expect(await ended(second, 'r1')).to.include({ state: 'failed', code: 'aborted' });
    expect(await ended(second, 'r2')).to.include({ state: 'succeeded', position: 7 });
    expect(begun).to.deep.equal(['r2']);
  });

  it('breaks a restore off when its member shall not be stopped any more', async () => {
    const stopped = { ...intentOf(), run: 'stopped' as const };
    const order = { host: 'alpha', epoch: 2 };
    await journal.append({
      kind: 'intent-accepted',
      at: 2,
      intent: { ...order, generation: 2, members: [stopped] },
    });
    const requests = await open((_, __, signal) => untilAborted(signal));
    await requests.receive(act('r1', 'restore-backup'));
    requests.intentChanged();
    expect(requests.isRestoring('00.cortex')).to.equal(true);
    for (const other of [act('s1', 'step-down'), promote('p1'), backup('b1')]) {
      await requests.receive(other);
      expect(await ended(requests, other.id)).to.include({ state: 'refused' });
    }
    await journal.append({
      kind: 'intent-accepted',
      at: 3,
      intent: { ...order, generation: 3, members: [intentOf()] },
    });
    requests.intentChanged();
    expect(await ended(requests, 'r1')).to.include({ state: 'failed', code: 'aborted' });
    await requests.stop();
  });

  it('refuses what is old, late, or not of this host, and counts it (I11)', async () => {
    const requests = await open(() => Promise.resolve({}));
    await requests.receive({ ...backup('epoch'), epoch: 1 });
    await requests.receive({ ...backup('term'), term: 2 });
    await requests.receive({ ...backup('late'), expiresAt: Date.now() - 1000 });
    await requests.receive({ ...backup('foreign'), member: '01.cortex' });
    expect(requests.outcomes().map(({ state }) => state)).to.deep.equal(
      Array.from({ length: 4 }, () => 'refused'),
    );
    expect(requests.refusedCount()).to.equal(4);
    expect(begun).to.deep.equal([]);
  });

  it('tells a secret until it is acknowledged and writes none down (I14)', async () => {
    const heard: (string | undefined)[] = [];
    const requests = await open(({ secret }) => {
      heard.push(secret);
      return Promise.resolve({ message: 'done', secret: 'url-of-once' });
    });
    await requests.receive({ ...check('c1'), secret: 'word-for-it' });
    expect(await ended(requests, 'c1')).to.include({ message: 'done', secret: 'url-of-once' });
    expect(heard).to.deep.equal(['word-for-it']);
    const written = await readFile(join(directory, 'journal.log'), 'utf8');
    expect(written)
      .to.contain('c1')
      .and.not.match(/url-of-once|word-for-it/);
    await requests.acknowledge(['c1']);
    await requests.receive(check('c1'));
    expect((await ended(requests, 'c1'))?.secret).to.equal(undefined);
  });

  it('backs up nothing beside a promotion or another backup of the member (I10)', async () => {
    const requests = await open((_, onProgress, signal) => {
      onProgress('at it');
      return untilAborted(signal);
    });
    await requests.receive(promote('p1'));
    expect(requests.isPromoting('00.cortex')).to.equal(true);
    expect(requests.activityOf('00.cortex')).to.equal('promote: at it');
    await requests.receive(backup('b1'));
    expect(await ended(requests, 'b1')).to.include({ state: 'refused' });
    await requests.stop();
  });
});
