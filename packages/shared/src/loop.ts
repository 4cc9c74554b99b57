// One pass at a time, woken by a timer or an event; both run the same pass. A pass takes no input, does
// bounded work and returns one sentence, which is also its log line. Must never let a failed pass end the loop.
import type { Clock } from './clock.js';
import { isAbort, messageOf } from './errors.js';
import { AssertionError } from './assert.js';
import type { Logger } from './log.js';

export interface LoopOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Longest time between two passes, milliseconds. */
  readonly everyMs: number;
  /** A pass that takes longer than this is aborted, milliseconds. */
  readonly deadlineMs: number;
  /** Returns what it did in one sentence, or undefined when there was nothing to say. */
  readonly pass: (signal: AbortSignal) => Promise<string | undefined>;
}

export interface Loop {
  /** Run a pass soon; any number of calls before it starts are one. */
  wake(): void;
  /** Ends after the pass that runs now was aborted and has returned. */
  stop(): Promise<void>;
  /** Age of the last finished pass in milliseconds, for the watchdog. */
  idleMs(): number;
}

export function startLoop(options: LoopOptions): Loop {
  const { clock, log, name } = options;
  const stopped = new AbortController();
  let woken = true;
  let ring: (() => void) | undefined;
  let lastEnd = clock.monotonic();

  const untilWoken = async (): Promise<void> => {
    if (woken) return;
    const timer = new AbortController();
    await Promise.race([
      new Promise<void>((resolve) => (ring = resolve)),
      clock.sleep(options.everyMs, timer.signal).catch(() => undefined),
    ]);
    timer.abort();
    ring = undefined;
  };

  const run = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await untilWoken();
      if (stopped.signal.aborted) return;
      woken = false;
      const limit = new AbortController();
      const onStop = (): void => limit.abort();
      stopped.signal.addEventListener('abort', onStop, { once: true });
      const timer = setTimeout(() => limit.abort(), options.deadlineMs);
      try {
        const sentence = await options.pass(limit.signal);
        if (sentence !== undefined) log.info({ loop: name }, sentence);
      } catch (error) {
        if (error instanceof AssertionError) throw error;
        if (!(isAbort(error) && stopped.signal.aborted))
          log.error({ loop: name, err: error }, `pass failed: ${messageOf(error)}`);
      } finally {
        clearTimeout(timer);
        stopped.signal.removeEventListener('abort', onStop);
        lastEnd = clock.monotonic();
      }
    }
  };
  const done = run();
  done.catch((error: unknown) => {
    // A broken assertion is a bug: crash, restart, recover from the journal.
    log.fatal({ loop: name, err: error }, messageOf(error));
    process.exitCode = 70;
    process.nextTick(() => process.exit(70));
  });
  return {
    wake: () => {
      woken = true;
      ring?.();
    },
    stop: async () => {
      stopped.abort();
      ring?.();
      await done;
    },
    idleMs: () => clock.monotonic() - lastEnd,
  };
}
