// Ends what a command began: its session, and what has left that, by its mark. Must never touch anything else.
import type { Clock } from '@leafward/shared/clock.js';
import { markedProcesses } from './command-mark.js';
import { isAlive, livingInSession, readStat, type ProcessStat } from './process/proc.js';

/** After SIGKILL only the kernel can delay an end. */
const KILL_DEADLINE_MS = 5_000;
const LOOK_EVERY_MS = 10;

export interface CommandToEnd {
  /** Pid and start of its first process, which leads a session. Undefined: not known. */
  readonly leader?: { readonly pid: number; readonly startTicks: number } | undefined;
  readonly mark: string;
  readonly clock: Clock;
}

/** False: something lives even then, its I/O hangs in the kernel. */
export async function endCommand({ leader, mark, clock }: CommandToEnd): Promise<boolean> {
  const giveUpAt = clock.monotonic() + KILL_DEADLINE_MS;
  const members = (): readonly ProcessStat[] =>
    leader === undefined ? [] : livingInSession(leader.pid, leader.startTicks);
  killAll(members());
  // What was killed can fork no more; what forked a moment before is seen by the next look.
  for (;;) {
    const marked = await markedProcesses((text) => text === mark);
    const living = [...members(), ...marked];
    if (living.length === 0) return true;
    killAll(living);
    if (clock.monotonic() >= giveUpAt) return false;
    await clock.sleep(LOOK_EVERY_MS);
  }
}

export function killAll(processes: readonly ProcessStat[]): void {
  for (const { pid, startTicks } of processes) {
    const stat = readStat(pid);
    if (stat?.startTicks !== startTicks || !isAlive(stat)) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself in this moment.
    }
  }
}
