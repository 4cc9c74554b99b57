// Ends a session of processes and returns only with proof from /proc that none of it lives.
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import { isAlive, livingInSession, readStat, type ProcessStat } from './proc.js';

const LOOK_EVERY_MS = 20;
/** After SIGKILL only the kernel can delay an end: a process in uninterruptible I/O. */
const KILL_DEADLINE_MS = 10_000;
const NOTE_DEADLINE_MS = 1000;

export interface SessionToStop {
  readonly member: string;
  readonly session: number;
  readonly startTicks: number;
  readonly graceMs: number;
  readonly clock: Clock;
}

/** SIGTERM, the grace, SIGKILL. @throws LeafwardError `timeout` when it lives even then, `aborted`. */
export async function stopSession(
  options: SessionToStop,
  beforeKill: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const living = livingInSession(options.session, options.startTicks);
  if (living.length === 0) return;
  sendAll(living, 'SIGTERM');
  if (await endsWithin(options, options.graceMs, signal)) return;
  // What cannot be written down (a full disk) keeps nothing alive.
  await Promise.race([
    beforeKill().catch(() => undefined),
    options.clock.sleep(NOTE_DEADLINE_MS).catch(() => undefined),
  ]);
  const giveUpAt = options.clock.monotonic() + KILL_DEADLINE_MS;
  while (options.clock.monotonic() < giveUpAt) {
    // Again and again: what is killed may have forked a moment before.
    sendAll(livingInSession(options.session, options.startTicks), 'SIGKILL');
    if (await endsWithin(options, 5 * LOOK_EVERY_MS, signal)) return;
  }
  throw new LeafwardError(
    'timeout',
    `stop ${options.member}: session ${options.session} lives ${KILL_DEADLINE_MS / 1000} s after SIGKILL; ` +
      'its I/O hangs in the kernel: look at the volume, or power the host off',
    { retry: 'later' },
  );
}

async function endsWithin(
  options: SessionToStop,
  durationMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { clock, session, startTicks } = options;
  const until = clock.monotonic() + durationMs;
  for (;;) {
    if (signal.aborted)
      throw new LeafwardError('aborted', `stop ${options.member}: broken off while it ends`);
    const leader = readStat(session);
    const leaderLives = leader?.startTicks === startTicks && isAlive(leader);
    if (!leaderLives && livingInSession(session, startTicks).length === 0) return true;
    if (clock.monotonic() >= until) return false;
    await clock.sleep(LOOK_EVERY_MS);
  }
}

function sendAll(processes: readonly ProcessStat[], signal: NodeJS.Signals): void {
  for (const { pid } of processes)
    try {
      process.kill(pid, signal);
    } catch {
      // It ended by itself in this moment.
    }
}
