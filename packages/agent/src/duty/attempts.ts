// What was begun for a time of a schedule, as the journal's requests tell it: what runs, what failed, what is to be tried
// again. Pure.
import type { Outcome } from '@leafward/shared/gen/domain.js';
import { asScheduled, type ScheduledAct } from '@leafward/shared/scheduled.js';
import type { RequestRecord } from '../journal/records.js';

export interface Attempt {
  readonly due: number;
  readonly number: number;
  /** Undefined: it runs. */
  readonly outcome?: Outcome | undefined;
}

/** Oldest first. */
export function attemptsOf(
  act: ScheduledAct,
  member: string,
  requests: Readonly<Record<string, RequestRecord>>,
): readonly Attempt[] {
  return Object.entries(requests).flatMap(([id, { outcome }]) => {
    const run = asScheduled(act, id, member);
    return run === undefined ? [] : [{ due: run.due, number: run.attempt, outcome }];
  });
}

/** Of one time of the schedule. */
export interface DueAttempts {
  readonly state: 'none' | 'running' | 'done' | 'failed';
  readonly count: number;
  readonly lastMessage?: string | undefined;
  /** When the last one ended. */
  readonly endedAt?: number | undefined;
}

export function attemptsAt(attempts: readonly Attempt[], due: number): DueAttempts {
  const own = attempts.filter((one) => one.due === due);
  const count = Math.max(0, ...own.map(({ number }) => number));
  if (own.some(({ outcome }) => outcome?.state === 'succeeded')) return { state: 'done', count };
  if (own.some(({ outcome }) => outcome === undefined)) return { state: 'running', count };
  const last = own.find(({ number }) => number === count)?.outcome;
  if (last === undefined) return { state: 'none', count };
  const { message, finishedAt } = last;
  return { state: 'failed', count, lastMessage: message, endedAt: finishedAt };
}
