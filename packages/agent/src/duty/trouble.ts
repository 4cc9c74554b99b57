// What is known of a service's backups when a time of its schedule is judged, and the words for one that came to nothing.
// Pure.
import type { Backup } from '@leafward/shared/gen/domain.js';
import type { DueAttempts } from './attempts.js';
import type { DueTrouble } from './memory.js';

export interface Known {
  /** Of the service on this host, newest first. */
  readonly backups: readonly Pick<Backup, 'startedAt' | 'finishedAt'>[];
  /** When the newest one that is known of began, wherever it was taken; -Infinity: there is none. */
  readonly newest: number;
  /** The first time of the schedule since then. */
  readonly firstOpen: number | undefined;
}

export function troubleOf(due: number, attempts: DueAttempts): Omit<DueTrouble, 'due'> {
  const at = new Date(due).toISOString();
  if (attempts.state !== 'failed')
    return { code: 'missed', problem: `the backup that was due at ${at} was not taken` };
  const times = attempts.count === 1 ? 'once' : `${attempts.count} times`;
  const why = attempts.lastMessage ?? 'no reason given';
  return {
    code: 'failed',
    problem: `the backup that was due at ${at} failed ${times}: ${why}`,
  };
}
