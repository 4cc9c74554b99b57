// Streams to whoever looks on: the newest after each change, and nothing left behind however long they are open.
import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import { createWatchers } from '@leafward/controller/operators/watch.js';
import type { Clock } from '@leafward/shared/clock.js';

const instant: Clock = {
  now: () => 0,
  monotonic: () => 0,
  sleep: () => new Promise((resolve) => setImmediate(resolve)),
};

describe('a watcher', () => {
  it('leaves no listener behind, however many rounds it has made', async () => {
    const abort = new AbortController();
    const watchers = createWatchers(instant);
    let most = 0;
    let rounds = 0;
    for await (const value of watchers.watch({
      read: () => rounds,
      isLast: (round) => round >= 50,
      everyMs: 1,
      atLeastMs: 1,
      signal: abort.signal,
    })) {
      rounds = value + 1;
      watchers.changed();
      most = Math.max(most, getEventListeners(abort.signal, 'abort').length);
    }
    expect(rounds).to.equal(51);
    expect(most).to.be.at.most(2);
    expect(getEventListeners(abort.signal, 'abort')).to.have.length(0);
  });

  it('ends when nobody looks on any more', async () => {
    const abort = new AbortController();
    const watchers = createWatchers({ ...instant, sleep: () => new Promise(() => undefined) });
    const stream = watchers.watch({
      read: () => 1,
      everyMs: 1,
      atLeastMs: 1,
      signal: abort.signal,
    });
    const first = stream[Symbol.asyncIterator]();
    expect((await first.next()).value).to.equal(1);
    abort.abort();
    await first.return?.();
    expect(getEventListeners(abort.signal, 'abort')).to.have.length(0);
  });
});
