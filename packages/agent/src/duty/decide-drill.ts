// Whether the drill of a service's newest backup on this host is ordered now. Pure. Once for each time of the schedule: what
// came of it is with the backup.
import type { Backup, BackupDuty } from '@leafward/shared/gen/domain.js';
import { scheduleKey } from './decide.js';
import type { DutyMemory, DutyRecord } from './memory.js';
import type { Moments } from './moments.js';

export interface DrillView {
  readonly now: number;
  readonly member: string;
  readonly duty: BackupDuty;
  readonly moments: Moments;
  readonly memory: DutyMemory | undefined;
  /** Times of the schedule that a drill was begun for. */
  readonly begun: readonly number[];
  /** Complete ones of the service on this host, newest first. */
  readonly backups: readonly Backup[];
  readonly obstacle?: string | undefined;
}

export interface DrillDecision {
  /** Undefined: none begins now. */
  readonly begin?: { readonly due: number; readonly backup: Backup } | undefined;
  readonly records: readonly DutyRecord[];
  readonly nextAt: number | undefined;
}

export function decideDrill(view: DrillView): DrillDecision {
  const { now, member, moments, memory, duty } = view;
  const next = moments.nextDue(now);
  const nextAt = next === undefined ? undefined : moments.beginOf(next);
  const of = 'drill' as const;
  if (memory === undefined || memory.since > now) {
    const schedule = scheduleKey(duty.drillSchedule ?? '', duty.timeZone);
    return { records: [{ kind: 'duty-begun', at: now, member, of, schedule }], nextAt };
  }
  const due = moments.lastDue(now, memory.since);
  if (due === undefined || memory.over.includes(due)) return { records: [], nextAt };
  if (view.begun.includes(due)) return { records: [{ kind: 'due-over', member, of, due }], nextAt };
  const begin = moments.beginOf(due);
  const backup = backupToDrill(view.backups);
  // Without a backup it waits for the next one: the drill of that is as good.
  if (begin === undefined || backup === undefined) return { records: [], nextAt };
  if (now < begin) return { records: [], nextAt: begin };
  if (view.obstacle !== undefined) return { records: [], nextAt: begin };
  return { begin: { due, backup }, records: [], nextAt };
}

/** The newest one that no drill has proven yet; else the newest. One that is known to be damaged proves nothing. */
function backupToDrill(backups: readonly Backup[]): Backup | undefined {
  const whole = backups.filter(({ verification }) => verification?.ok !== false);
  return whole.find(({ drill }) => drill?.ok !== true) ?? whole[0];
}
