// How fast a backup's files are read: the service beside them needs the disk. One for all that are read together;
// whoever comes while it rests, rests along.
import type { Clock } from '@leafward/shared/clock.js';

export interface Pace {
  /** After each piece that was read. @throws when it is broken off. */
  rest(bytes: number, signal: AbortSignal): Promise<void>;
}

/** Read this much, then rest as long as it took: half the disk and half a core at most. */
const BURST_BYTES = 16 * 1024 * 1024;
/** Bursts in a second of a rate that is given: none is long, and the timer's grain is no matter. */
const BURSTS_A_SECOND = 20;

/** Undefined: as long as it took. 0: never. Else at most so many bytes a second. */
export function createPace(clock: Clock, bytesPerSecond: number | undefined): Pace {
  if (bytesPerSecond === 0) return { rest: () => Promise.resolve() };
  const burstBytes =
    bytesPerSecond === undefined
      ? BURST_BYTES
      : Math.min(BURST_BYTES, Math.ceil(bytesPerSecond / BURSTS_A_SECOND));
  let bytes = 0;
  let since = clock.monotonic();
  let resting: Promise<void> | undefined;
  const restMs = (): number => {
    const tookMs = clock.monotonic() - since;
    return bytesPerSecond === undefined ? tookMs : (bytes / bytesPerSecond) * 1000 - tookMs;
  };
  const rest = async (signal: AbortSignal): Promise<void> => {
    try {
      await clock.sleep(Math.max(0, restMs()), signal);
    } finally {
      bytes = 0;
      since = clock.monotonic();
      resting = undefined;
    }
  };
  return {
    rest: async (read, signal) => {
      bytes += read;
      if (bytes >= burstBytes) resting ??= rest(signal);
      await resting;
    },
  };
}
