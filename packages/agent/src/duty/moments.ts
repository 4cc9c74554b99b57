// When a time of a schedule may be acted on: at a moment of its own for each member, within the window. Pure; the same
// member always gets the same moment.
import { createHash } from 'node:crypto';
import type { BackupDuty } from '@leafward/shared/gen/domain.js';
import { parseSchedule, type Schedule } from '@leafward/shared/schedule.js';

export interface Moments {
  /** The last time of the schedule at or before `at`, none before `notBefore`. */
  readonly lastDue: (at: number, notBefore: number) => number | undefined;
  /** The first time of the schedule after `at`. */
  readonly nextDue: (at: number) => number | undefined;
  /** From when on a due one may begin. Undefined: the window never opens again. */
  readonly beginOf: (due: number) => number | undefined;
  /** `at` itself, or when the window opens next. */
  readonly openAt: (at: number) => number | undefined;
}

type Times = Pick<BackupDuty, 'timeZone' | 'jitterMs' | 'window'>;

/** @throws Error with the reason when the expression is none. */
export function momentsOf(cron: string, times: Times, seed: string): Moments {
  const schedule = remembering(parseSchedule(cron, times.timeZone));
  const daily = dailyWindow(times);
  const share = shareOf(seed);
  const openAt = (at: number): number | undefined =>
    daily === undefined || daily.isOpen(at) ? at : daily.opensAfter(at);
  return {
    lastDue: (at, notBefore) => schedule.lastAt(at, notBefore),
    nextDue: (at) => schedule.nextAfter(at),
    openAt,
    beginOf(due) {
      const open = openAt(due);
      if (open === undefined) return undefined;
      // Never into the next time of the schedule, nor past the end of the window.
      const next = schedule.nextAfter(due) ?? Infinity;
      const close = daily?.closesAfter(open) ?? Infinity;
      const room = Math.min(times.jitterMs, close - open, Math.max(0, next - open));
      return open + Math.floor(share * room);
    },
  };
}

/** This time, the ones beside it, and those of a clock that is being set. */
const SPANS_KEPT = 8;

interface Span {
  readonly from: number;
  readonly to: number;
}

/** The same times from one look to the next: they are reckoned once. */
function remembering(schedule: Schedule): Schedule {
  const known = (spans: readonly Span[], at: number) =>
    spans.find(({ from, to }) => from <= at && at < to);
  // From one time to the next, and from any moment to the next time.
  let between: readonly Span[] = [];
  let ahead: readonly Span[] = [];
  const nextAfter = (at: number): number => {
    const found = known(between, at) ?? known(ahead, at);
    if (found !== undefined) return found.to;
    const to = schedule.nextAfter(at) ?? Infinity;
    ahead = [{ from: at, to }, ...ahead].slice(0, SPANS_KEPT);
    return to;
  };
  return {
    nextAfter: (at) => {
      const next = nextAfter(at);
      return next === Infinity ? undefined : next;
    },
    lastAt: (at, notBefore) => {
      const from = known(between, at)?.from ?? schedule.lastAt(at, -Infinity);
      if (from === undefined) return undefined;
      if (known(between, at) === undefined)
        between = [{ from, to: nextAfter(at) }, ...between].slice(0, SPANS_KEPT);
      return from < notBefore ? undefined : from;
    },
  };
}

/** Of [0, 1). */
function shareOf(seed: string): number {
  return createHash('sha256').update(seed).digest().readUInt32BE(0) / 2 ** 32;
}

interface Daily {
  isOpen(at: number): boolean;
  opensAfter(at: number): number | undefined;
  closesAfter(at: number): number | undefined;
}

/** Where a clock is put forward over the whole window, the day has none. */
const MOST_DAYS_WITHOUT = 3;

function dailyWindow({ window, timeZone }: Times): Daily | undefined {
  if (window === undefined) return undefined;
  const { fromMinute, toMinute } = window;
  const clock = new Intl.DateTimeFormat('en', {
    timeZone,
    hour: 'numeric',
    minute: 'numeric',
    hourCycle: 'h23',
  });
  const isOpen = (at: number): boolean => {
    const parts = clock.formatToParts(at);
    const figure = (type: 'hour' | 'minute'): number =>
      Number(parts.find((part) => part.type === type)?.value);
    const minute = figure('hour') * 60 + figure('minute');
    return fromMinute < toMinute
      ? minute >= fromMinute && minute < toMinute
      : minute >= fromMinute || minute < toMinute;
  };
  const opens = dailyAt(fromMinute, timeZone);
  const closes = dailyAt(toMinute, timeZone);
  return {
    isOpen,
    opensAfter(at) {
      let next = opens.nextAfter(at);
      for (let day = 0; day < MOST_DAYS_WITHOUT && next !== undefined; day += 1) {
        if (isOpen(next)) return next;
        next = opens.nextAfter(next);
      }
      return undefined;
    },
    closesAfter: (at) => closes.nextAfter(at),
  };
}

const dailyAt = (minute: number, timeZone: string): Schedule =>
  parseSchedule(`${minute % 60} ${Math.floor(minute / 60)} * * *`, timeZone);
