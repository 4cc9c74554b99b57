// Hosts made by hand for the decision on scheduled backups: each has a journal's memory, requests and backups, and a clock
// that is set at will.
import type { BackupDuty, DutyFact, Outcome } from '@leafward/shared/gen/domain.js';
import { scheduledId } from '@leafward/shared/scheduled.js';
import { attemptsOf } from '@leafward/agent/duty/attempts.js';
import { decide, scheduleKey, type Act, type DutyView } from '@leafward/agent/duty/decide.js';
import { dutyKey, foldDuty, type Duties, type DutyRecord } from '@leafward/agent/duty/memory.js';
import { momentsOf, type Moments } from '@leafward/agent/duty/moments.js';
import type { RequestRecord } from '@leafward/agent/journal/records.js';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const at = (text: string): number => Date.parse(`${text}Z`);

export const dutyOf = (changes: Partial<BackupDuty> = {}): BackupDuty => ({
  schedule: '0 2 * * *',
  timeZone: 'UTC',
  jitterMs: 0,
  rank: 0,
  takeoverMs: 30 * MINUTE,
  ...changes,
});

export interface DutyHost {
  readonly member: string;
  duty: BackupDuty;
  duties: Duties;
  requests: Record<string, RequestRecord>;
  backups: { readonly startedAt: number; readonly finishedAt: number }[];
  /** Of the acts that were begun, in order. */
  readonly begun: { readonly id: string; readonly due: number; readonly at: number }[];
  readonly records: DutyRecord[];
  fact: DutyFact | undefined;
  act: Act | undefined;
}

export function hostOf(member = '00.cortex', changes: Partial<BackupDuty> = {}): DutyHost {
  return {
    member,
    duty: dutyOf(changes),
    duties: {},
    requests: {},
    backups: [],
    begun: [],
    records: [],
    fact: undefined,
    act: undefined,
  };
}

const cache = new Map<string, Moments>();
function momentsFor({ duty, member }: DutyHost): Moments {
  const key = JSON.stringify([duty, member]);
  const known = cache.get(key) ?? momentsOf(duty.schedule ?? '', duty, member);
  cache.set(key, known);
  return known;
}

export type Changes = Partial<
  Pick<DutyView, 'standsBack' | 'newestElsewhere' | 'hears' | 'isFresh' | 'obstacle'>
>;

/** One look: what it writes down is folded, and what it begins runs until `end` is called. */
export function look(host: DutyHost, now: number, changes: Changes = {}): Act {
  const { member, duty } = host;
  const known = host.duties[dutyKey(member, 'backup')];
  const key = scheduleKey(duty.schedule ?? '', duty.timeZone);
  const { act, records, fact } = decide({
    now,
    member,
    service: 'cortex',
    duty,
    standsBack: false,
    moments: momentsFor(host),
    memory: known?.schedule === key ? known : undefined,
    attempts: attemptsOf('scheduled', member, host.requests),
    backups: [...host.backups].sort((a, b) => b.finishedAt - a.finishedAt),
    hears: true,
    isFresh: false,
    ...changes,
  });
  for (const record of records) host.duties = foldDuty(host.duties, record);
  host.records.push(...records);
  host.fact = fact;
  host.act = act;
  if (act.kind === 'begin') {
    const id = scheduledId('scheduled', { member, due: act.due, attempt: act.attempt });
    if (id in host.requests) throw new Error(`${id} was begun twice`);
    host.requests[id] = { startedAt: now, acknowledged: false };
    host.begun.push({ id, due: act.due, at: now });
  }
  return act;
}

/** How what runs ended. */
export function end(host: DutyHost, state: Outcome['state'], now: number): void {
  for (const [id, record] of Object.entries(host.requests)) {
    if (record.outcome !== undefined) continue;
    const { startedAt } = record;
    const outcome: Outcome = {
      requestId: id,
      state,
      startedAt,
      finishedAt: now,
      changes: [],
      ...(state === 'succeeded' ? {} : { message: 'the disk is full' }),
    };
    host.requests[id] = { ...record, outcome };
    if (state === 'succeeded') host.backups.push({ startedAt, finishedAt: now });
  }
}

/** Looks every `stepMs` from `from` on; what is begun succeeds before the next look. */
export function live(
  host: DutyHost,
  span: { readonly from: number; readonly to: number; readonly stepMs: number },
  changes: Changes = {},
): void {
  for (let now = span.from; now <= span.to; now += span.stepMs) {
    look(host, now, changes);
    end(host, 'succeeded', now + 1000);
  }
}
