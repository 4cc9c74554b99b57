// Streams of the newest state for whoever looks on. A slow reader gets the newest, never a backlog.
import type { Clock } from '@leafward/shared/clock.js';

export interface Watchers {
  /** Something that a watcher might show has changed. */
  changed(): void;
  /**
   * Yields `read()` now and then after each change, at most once in `everyMs` and at least once in `atLeastMs`,
   * until the signal aborts or `read` returns `last`.
   */
  watch<T>(options: WatchOptions<T>): AsyncIterable<T>;
}

export interface WatchOptions<T> {
  readonly read: () => T | Promise<T>;
  readonly isLast?: (value: T) => boolean;
  readonly everyMs: number;
  readonly atLeastMs: number;
  readonly signal: AbortSignal;
}

export function createWatchers(clock: Clock): Watchers {
  const waiting = new Set<() => void>();
  return {
    changed() {
      for (const wake of [...waiting]) wake();
    },
    async *watch({ read, isLast, everyMs, atLeastMs, signal }) {
      while (!signal.aborted) {
        let wake: () => void = () => undefined;
        const changed = new Promise<void>((resolve) => (wake = resolve));
        waiting.add(wake);
        signal.addEventListener('abort', wake, { once: true });
        try {
          const value = await read();
          yield value;
          if (isLast?.(value) === true) return;
          await pause(clock, everyMs, signal);
          const timer = new AbortController();
          await Promise.race([changed, pause(clock, atLeastMs, timer.signal)]);
          timer.abort();
        } finally {
          // A stream may be open for weeks: a round leaves nothing behind.
          waiting.delete(wake);
          signal.removeEventListener('abort', wake);
        }
      }
    },
  };
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  await clock.sleep(ms, signal).catch(() => undefined);
}
