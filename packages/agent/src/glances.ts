// A death is told at once: while a whole look waits for a service that hangs, or has not begun, members are asked for
// nothing but whether they run. One at a time; what comes meanwhile is one more.
import type { Observer } from './observe.js';

export interface Glances {
  /** Something may have ended just now. */
  glance(): void;
  stop(): Promise<void>;
}

const DEADLINE_MS = 10_000;

export function createGlances(observer: Pick<Observer, 'glance'>, onDeath: () => void): Glances {
  const stopped = new AbortController();
  let isWanted = false;
  let running: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    while (isWanted && !stopped.signal.aborted) {
      isWanted = false;
      const limit = AbortSignal.any([stopped.signal, AbortSignal.timeout(DEADLINE_MS)]);
      await observer.glance(onDeath, limit);
    }
    running = undefined;
  };
  return {
    glance() {
      isWanted = true;
      running ??= run();
    },
    async stop() {
      stopped.abort();
      await running;
    },
  };
}
