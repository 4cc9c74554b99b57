// Times of a cron expression of five fields in a time zone: what was due last, what comes next. Pure; croner knows
// cron and time zones, daylight saving included.
import { Cron } from 'croner';
import { messageOf } from './errors.js';

export interface Schedule {
  /** The last time at or before `at`, none earlier than `notBefore`. Milliseconds since 1970. */
  lastAt(at: number, notBefore: number): number | undefined;
  /** The first time after `at`; undefined: it never comes. */
  nextAfter(at: number): number | undefined;
}

const FIELDS = 5;

/** @throws Error with the reason, for people. */
export function parseSchedule(expression: string, timeZone: string): Schedule {
  if (expression.trim().split(/\s+/).length !== FIELDS)
    throw new Error(`"${expression}" has not five fields: minute hour day month weekday`);
  const cron = new Cron(expression, { timezone: timeZone, paused: true });
  const nextAfter = (at: number): number | undefined => cron.nextRun(new Date(at))?.getTime();
  return {
    nextAfter,
    lastAt(at, notBefore) {
      const [last] = cron.previousRuns(1, new Date(at + 1));
      const found = last?.getTime();
      return found === undefined || found < notBefore || found > at ? undefined : found;
    },
  };
}

/** Why it cannot be used; undefined: it can. */
export function problemOfSchedule(expression: string, timeZone: string): string | undefined {
  try {
    const at = parseSchedule(expression, timeZone).nextAfter(0);
    return at === undefined ? `"${expression}" never comes` : undefined;
  } catch (error) {
    return messageOf(error);
  }
}
