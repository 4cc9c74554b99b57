// Processes that are not this agent's members and run on a storage all the same: what to call them, and how to end one.
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { ForeignContainer } from '../runtime.js';
import { isStillThere, type HandStarted } from './by-hand.js';
import { stopSession } from './stop-session.js';

/** A member of another agent, or of this one before it lost its memory: a session with its wrapper. */
export interface Stranger {
  readonly pid: number;
  readonly startTicks: number;
  readonly stateDirectory: string;
  readonly member: string;
  readonly storage: string;
  readonly specDigest: string;
  readonly imageDigest: string;
}

/** What lives of them, under names that say which is meant. */
export function listStrangers(
  strangers: readonly (Stranger | HandStarted)[],
): readonly ForeignContainer[] {
  return strangers.filter(isStillThere).map((stranger) => ({
    name: nameOf(stranger),
    running: true,
    writes: [stranger.storage],
    restartPolicy: 'no',
    networkMode: 'host',
  }));
}

export function nameOf(stranger: Stranger | HandStarted): string {
  return 'member' in stranger
    ? `process ${stranger.pid} (${stranger.member} of ${stranger.stateDirectory})`
    : `process ${stranger.pid} (${stranger.name}, started by hand)`;
}

/** A whole session of another agent's member; of what was started by hand only the process itself, not its shell. */
export async function stopStranger(
  stranger: Stranger | HandStarted,
  options: { readonly graceMs: number; readonly clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  const { pid, startTicks } = stranger;
  const member = nameOf(stranger);
  if ('member' in stranger)
    return stopSession(
      { member, session: pid, startTicks, ...options },
      () => Promise.resolve(),
      signal,
    );
  for (const [word, patienceMs] of [
    ['SIGTERM', options.graceMs],
    ['SIGKILL', KILL_DEADLINE_MS],
  ] as const)
    if (await endsAfter(stranger, { word, patienceMs, clock: options.clock }, signal)) return;
  throw new LeafwardError('timeout', `stop ${member}: it lives after SIGKILL; look at its volume`, {
    retry: 'later',
  });
}

const KILL_DEADLINE_MS = 10_000;
const LOOK_EVERY_MS = 20;

async function endsAfter(
  stranger: HandStarted,
  end: { readonly word: NodeJS.Signals; readonly patienceMs: number; readonly clock: Clock },
  signal: AbortSignal,
): Promise<boolean> {
  const until = end.clock.monotonic() + end.patienceMs;
  try {
    if (isStillThere(stranger)) process.kill(stranger.pid, end.word);
  } catch {
    // It ended in this moment, or it is not ours to end: the next look says which.
  }
  while (isStillThere(stranger)) {
    if (end.clock.monotonic() >= until) return false;
    await end.clock.sleep(LOOK_EVERY_MS, signal);
  }
  return true;
}
