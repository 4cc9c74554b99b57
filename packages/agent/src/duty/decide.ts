// Whether a member's backup by its schedule begins now, and what is to be said of it. Pure: the same view, the same
// decision. One time of the schedule at most is caught up with, whatever the clock did.
import type { BackupDuty, DutyFact } from '@leafward/shared/gen/domain.js';
import { attemptsAt, type Attempt, type DueAttempts } from './attempts.js';
import type { DueTrouble, DutyMemory, DutyRecord } from './memory.js';
import type { Moments } from './moments.js';
import { troubleOf, type Known } from './trouble.js';

/** A backup of the service on this host. */
export type KnownBackup = Known['backups'][number];

export interface DutyView {
  readonly now: number;
  readonly member: string;
  readonly service: string;
  readonly duty: BackupDuty;
  /** It leads, and a mirror of it could be backed up instead. */
  readonly standsBack: boolean;
  readonly moments: Moments;
  /** Undefined: it was never begun, or with another schedule. */
  readonly memory: DutyMemory | undefined;
  readonly attempts: readonly Attempt[];
  /** Complete ones. */
  readonly backups: readonly KnownBackup[];
  /** When the newest one of the service began, as its controller says. */
  readonly newestElsewhere?: number | undefined;
  /** A controller says now what others do. */
  readonly hears: boolean;
  /** This agent has just begun: what others did meanwhile is about to be told. */
  readonly isFresh: boolean;
  /** Why none may begin now, whatever is due. */
  readonly obstacle?: string | undefined;
}

export type Act =
  | { readonly kind: 'begin'; readonly due: number; readonly attempt: number }
  /** `until` is when something changes by time alone. */
  | { readonly kind: 'wait'; readonly until?: number | undefined; readonly reason: string };

export interface Decision {
  readonly act: Act;
  /** To be written down before anything is done. */
  readonly records: readonly DutyRecord[];
  readonly fact: DutyFact;
}

/** Of one time of the schedule. The next one is another chance. */
export const MOST_ATTEMPTS = 3;
/** After the first and after the second failure: what a restart cures, and what takes somebody's hand. */
const AGAIN_AFTER_MS = [60_000, 10 * 60_000];
/** Beyond the moment at which another member takes over: it is told as late only when that did not help. */
export const LATE_MARGIN_MS = 60_000;
/** Clocks of two hosts differ: what began in a little while began. */
const CLOCK_SLACK_MS = 60_000;

export function decide(view: DutyView): Decision {
  const { memory, moments, now } = view;
  // A clock that was set back: from here on it is what it says.
  if (memory === undefined || memory.since > now) return beginDuty(view);
  const due = moments.lastDue(now, memory.since);
  if (due === undefined) return waiting(view, { reason: 'nothing was due yet' });
  const known = knownOf(view, memory);
  const attempts = attemptsAt(view.attempts, due);
  const records = [...missedBefore(view, known, due), ...endOf(view, memory, due, attempts)];
  const trouble = records.reduce<DueTrouble | undefined>(
    (last, record) =>
      record.kind === 'due-over' && record.trouble !== undefined
        ? { ...record.trouble, due: record.due }
        : last,
    memory.trouble,
  );
  const isOver =
    memory.over.includes(due) || attempts.state === 'done' || isGivenUp(attempts.state, attempts);
  const told = { known, due, trouble, failures: memory.failures + failuresIn(records), attempts };
  const act = isOver
    ? waitFor(view, 'the last one is over', moments.nextDue(now))
    : actOn(view, known, due, attempts);
  return { act, records, fact: factOf(view, { ...told, isOver, act }) };
}

function beginDuty(view: DutyView): Decision {
  const { member, now, duty } = view;
  const schedule = scheduleKey(duty.schedule ?? '', duty.timeZone);
  const begun: DutyRecord = { kind: 'duty-begun', at: now, member, of: 'backup', schedule };
  const decision = waiting(view, { reason: 'the schedule begins' });
  return { ...decision, records: [begun] };
}

export const scheduleKey = (cron: string, timeZone: string): string => `${cron} ${timeZone}`;

function waiting(view: DutyView, { reason }: { readonly reason: string }): Decision {
  const { member, service, memory } = view;
  const act = waitFor(view, reason, view.moments.nextDue(view.now));
  const failures = memory?.failures ?? 0;
  return { act, records: [], fact: { member, service, nextAt: nextOf(view), failures } };
}

const waitFor = (view: DutyView, reason: string, until: number | undefined): Act => ({
  kind: 'wait',
  until: until === undefined ? undefined : Math.max(until, view.now),
  reason,
});

/** When it begins the next time, as far as nobody else does before. */
function nextOf(view: DutyView): number | undefined {
  const next = view.moments.nextDue(view.now);
  const begin = next === undefined ? undefined : view.moments.beginOf(next);
  return begin === undefined ? undefined : begin + rankOf(view) * view.duty.takeoverMs;
}

export const rankOf = ({ duty, standsBack }: Pick<DutyView, 'duty' | 'standsBack'>): number =>
  standsBack ? (duty.leaderRank ?? duty.rank) : duty.rank;

/** What is of the future is of a clock that was set back since: it says nothing about now. */
function knownOf(view: DutyView, { since }: DutyMemory): Known {
  const { now, moments, newestElsewhere } = view;
  const isPast = (at: number): boolean => at <= now + CLOCK_SLACK_MS;
  const backups = view.backups.filter(({ startedAt }) => isPast(startedAt));
  const begun = [...backups.map(({ startedAt }) => startedAt), newestElsewhere ?? -Infinity];
  const newest = Math.max(-Infinity, ...begun.filter(isPast));
  return { backups, newest, firstOpen: moments.nextDue(Math.max(newest, since - 1)) };
}

/** The time before this one went by and nobody has begun a backup since. Told only by who hears what others do. */
function missedBefore(view: DutyView, known: Known, due: number): readonly DutyRecord[] {
  const { memory, moments, member, hears } = view;
  const before = memory && moments.lastDue(due - 1, memory.since);
  if (memory === undefined || before === undefined || !hears) return [];
  const isTold = memory.over.includes(before) || (memory.trouble?.due ?? -Infinity) >= before;
  const isCovered =
    known.newest >= before || known.backups.some(({ finishedAt }) => finishedAt >= before);
  // Its window did not open before the next time came, so that it is one with that.
  const isOneWithNext = (moments.beginOf(before) ?? Infinity) >= due;
  const isRunning = view.attempts.some(({ outcome }) => outcome === undefined);
  if (isTold || isCovered || isOneWithNext || isRunning) return [];
  const trouble = troubleOf(before, attemptsAt(view.attempts, before));
  return [{ kind: 'due-over', member, of: 'backup', due: before, trouble }];
}

const isGivenUp = (state: DueAttempts['state'], { count }: DueAttempts): boolean =>
  state === 'failed' && count >= MOST_ATTEMPTS;

function endOf(
  view: DutyView,
  memory: DutyMemory,
  due: number,
  attempts: DueAttempts,
): readonly DutyRecord[] {
  if (memory.over.includes(due)) return [];
  const over = { kind: 'due-over', member: view.member, of: 'backup', due } as const;
  if (attempts.state === 'done') return [over];
  return isGivenUp(attempts.state, attempts)
    ? [{ ...over, trouble: troubleOf(due, attempts) }]
    : [];
}

const failuresIn = (records: readonly DutyRecord[]): number =>
  records.filter((record) => record.kind === 'due-over' && record.trouble !== undefined).length;

function actOn(view: DutyView, known: Known, due: number, attempts: DueAttempts): Act {
  const { now, moments } = view;
  const next = moments.nextDue(now);
  const isRunning = view.attempts.some(({ outcome }) => outcome === undefined);
  if (isRunning) return waitFor(view, 'one is being taken', next);
  if (known.newest >= due) return waitFor(view, 'one was begun since', next);
  const turn = turnOf(view, known, due);
  if (turn === undefined) return waitFor(view, 'its window never opens', next);
  const from = Math.max(turn, againAt(view, attempts));
  if (now < from) return waitFor(view, 'its moment is to come', from);
  const open = moments.openAt(now);
  if (open !== now) return waitFor(view, 'the window is closed', open);
  // It was due before this agent began: another one may have done it, and the controller says so in a moment.
  if (view.isFresh) return waitFor(view, 'nobody has said yet what others did', undefined);
  if (view.obstacle !== undefined) return waitFor(view, view.obstacle, undefined);
  return { kind: 'begin', due, attempt: attempts.count + 1 };
}

/** From the first time on that nobody has backed up for: short schedules must not put a takeover off for ever. */
function turnOf(view: DutyView, known: Known, due: number): number | undefined {
  const begin = view.moments.beginOf(due);
  const first = known.firstOpen === undefined ? undefined : view.moments.beginOf(known.firstOpen);
  if (begin === undefined) return undefined;
  return Math.max(begin, (first ?? begin) + rankOf(view) * view.duty.takeoverMs);
}

function againAt(view: DutyView, { state, count, endedAt = view.now }: DueAttempts): number {
  if (state !== 'failed') return -Infinity;
  return Math.min(endedAt, view.now) + (AGAIN_AFTER_MS[count - 1] ?? 0);
}

interface Told {
  readonly known: Known;
  readonly due: number;
  readonly trouble: DueTrouble | undefined;
  readonly failures: number;
  readonly attempts: DueAttempts;
  readonly isOver: boolean;
  readonly act: Act;
}

function factOf(view: DutyView, told: Told): DutyFact {
  const { member, service, now } = view;
  const { known, due, attempts, act, isOver } = told;
  const isDone = known.newest >= due || attempts.state === 'done';
  const isOpen = !isDone && !isOver && attempts.state !== 'running';
  const turn = turnOf(view, known, due) ?? Infinity;
  const late = isOpen ? lateWord(view, told) : undefined;
  const isOurs =
    rankOf(view) === 0 || attempts.count > 0 || (isOpen && turn <= now) || late !== undefined;
  const trouble =
    told.trouble !== undefined && known.newest < told.trouble.due ? told.trouble : undefined;
  const doneAt = known.backups.findLast(({ startedAt }) => startedAt >= due)?.finishedAt;
  const until = act.kind === 'wait' ? (act.until ?? turn) : turn;
  return {
    member,
    service,
    nextAt: isOpen && turn !== Infinity ? Math.max(turn, until) : nextOf(view),
    ...(isOurs ? { dueAt: due, doneAt } : {}),
    problem: trouble?.problem ?? late,
    code: trouble?.code ?? (late === undefined ? undefined : 'late'),
    failures: told.failures,
  };
}

function lateWord(view: DutyView, { known, due, act, attempts }: Told): string | undefined {
  const first = known.firstOpen ?? due;
  const begin = view.moments.beginOf(first);
  if (begin === undefined) return undefined;
  if (view.now <= begin + view.duty.takeoverMs + LATE_MARGIN_MS) return undefined;
  const why = act.kind === 'wait' ? `: ${act.reason}` : '';
  const last =
    attempts.lastMessage === undefined ? '' : `; the last attempt: ${attempts.lastMessage}`;
  return `the backup that was due at ${new Date(first).toISOString()} has not begun${why}${last}`;
}
