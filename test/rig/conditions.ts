// Waiting for a condition, never for a length of time.
import { setTimeout as delay } from 'node:timers/promises';

export interface Patience {
  /** Default 30 s. */
  readonly timeoutMs?: number;
  /** Between two looks. Default 50 ms. */
  readonly everyMs?: number;
}

/**
 * Asks until there is an answer other than undefined and false, and returns it. An error of `ask` is an answer
 * not there yet; the last one is told when patience ends.
 */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  { timeoutMs = 30_000, everyMs = 50 }: Patience = {},
): Promise<T> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    let last: unknown;
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() > giveUpAt) {
      const why = last instanceof Error ? ` (${last.message})` : '';
      throw new Error(`not within ${timeoutMs / 1000} s: ${what}${why}`, { cause: last });
    }
    await delay(everyMs);
  }
}
