// Tells systemd that the agent is ready, how it is doing, and, while its loops turn, that it lives. Node has no
// datagram unix sockets, so a small child says it; failures to say it are not the agent's.
import { execFile } from 'node:child_process';
import type { Clock } from '@leafward/shared/clock.js';
import { startLoop } from '@leafward/shared/loop.js';
import type { Logger } from '@leafward/shared/log.js';

export interface WatchdogOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Age of the oldest pass of a loop that must turn, milliseconds. */
  readonly idleMs: () => number;
  readonly status: () => string;
}

export interface Watchdog {
  ready(): void;
  stop(): Promise<void>;
}

const NOTIFY_TIMEOUT_MS = 2000;
/** Without a watchdog only the status is worth a child now and then. */
const STATUS_EVERY_MS = 60_000;

/** Does nothing when it was not started by systemd. */
export function startWatchdog(options: WatchdogOptions): Watchdog {
  const { environment, clock, log } = options;
  if ((environment['NOTIFY_SOCKET'] ?? '') === '')
    return { ready: () => undefined, stop: () => Promise.resolve() };
  const limitMs = Number(environment['WATCHDOG_USEC'] ?? 0) / 1000;
  const everyMs = limitMs > 0 ? limitMs / 3 : STATUS_EVERY_MS;
  let isReady = false;
  const loop = startLoop({
    name: 'watchdog',
    clock,
    log,
    everyMs,
    deadlineMs: NOTIFY_TIMEOUT_MS * 2,
    pass: async () => {
      if (!isReady) return undefined;
      const words = [`--status=${options.status()}`];
      // A loop that stands still must end in a restart: then nothing is said.
      if (limitMs > 0 && options.idleMs() < limitMs) words.push('WATCHDOG=1');
      await notify(words, environment);
      return undefined;
    },
  });
  return {
    ready: () => {
      isReady = true;
      void notify(['--ready'], environment);
      loop.wake();
    },
    stop: async () => {
      await notify(['STOPPING=1'], environment);
      await loop.stop();
    },
  };
}

/** Never rejects. */
function notify(
  words: readonly string[],
  environment: WatchdogOptions['environment'],
): Promise<void> {
  return new Promise((resolve) => {
    const options = { timeout: NOTIFY_TIMEOUT_MS, env: { ...environment } };
    execFile('systemd-notify', [`--pid=${process.pid}`, ...words], options, () => resolve());
  });
}
