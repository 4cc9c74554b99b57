// A server's stream that outlives the server: connects again with growing pauses, gives up after a while.
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';

export interface FollowOptions<T> {
  readonly open: (signal: AbortSignal) => AsyncIterable<T>;
  /** True for the item after which nothing more is wanted. */
  readonly isLast: (item: T) => boolean;
  /** Told once for each break, in words. */
  readonly onBreak: (text: string) => void;
  readonly clock: Clock;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
/** A controller that is restarted or replaced is back well within this. */
const GIVE_UP_AFTER_MS = 10 * 60_000;

/** Ends after the last item or when the signal fires. @throws LeafwardError when it gives up. */
export async function* follow<T>(
  options: FollowOptions<T>,
  signal: AbortSignal,
): AsyncGenerator<T, void> {
  const { clock } = options;
  let heardAt = clock.monotonic();
  let pauseMs = FIRST_PAUSE_MS;
  let told = false;
  while (!signal.aborted) {
    let failure: LeafwardError | undefined;
    try {
      for await (const item of options.open(signal)) {
        if (signal.aborted) return;
        heardAt = clock.monotonic();
        pauseMs = FIRST_PAUSE_MS;
        told = false;
        yield item;
        if (options.isLast(item)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isPassing(error)) throw error;
      failure = error;
    }
    if (signal.aborted) return;
    if (clock.monotonic() - heardAt > GIVE_UP_AFTER_MS)
      throw failure ?? new LeafwardError('unavailable', 'the controller ends every stream at once');
    if (!told)
      options.onBreak(
        `the controller is away (${failure?.text ?? 'it closed the stream'}); trying again`,
      );
    told = true;
    await clock.sleep(pauseMs, signal).catch(() => undefined);
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
  }
}

function isPassing(error: unknown): error is LeafwardError {
  return (
    error instanceof LeafwardError &&
    (error.code === 'unavailable' || error.code === 'timeout' || error.code === 'aborted')
  );
}
