// Work in slices: whoever does much of something asks now and then whether it is time to let others run.
import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';

export interface Pace {
  readonly isDue: () => boolean;
  readonly rest: () => Promise<void>;
}

/** Longest slice, milliseconds: far below the 20 ms that a scrape may hold the loop up, garbage collection included. */
const SLICE_MS = 4;

export function startPace(sliceMs = SLICE_MS): Pace {
  let began = performance.now();
  return {
    isDue: () => performance.now() - began >= sliceMs,
    async rest() {
      await nextTurn();
      began = performance.now();
    },
  };
}
