// What is measured of drills, by service: whether backups come up, and how long that takes.
import type { Backup } from '@leafward/shared/gen/domain.js';
import { parseSchedule } from '@leafward/shared/schedule.js';
import { isProven } from '../planning/proven.js';
import type { ServiceState, Snapshot } from '../snapshot.js';
import { gauge, labelText, seconds, truth, type Family, type Row } from './family.js';

export interface DrillSubject {
  readonly service: ServiceState;
  readonly now: number;
  /** The one that was drilled last. */
  readonly drilled?: Backup | undefined;
  /** The newest one that is proven. */
  readonly proven?: Backup | undefined;
  readonly oldest?: Backup | undefined;
}

export const DRILL_FAMILIES: readonly Family<DrillSubject>[] = [
  gauge(
    'leafward_backup_drilled_timestamp_seconds',
    'When a backup of the service was last booted by a drill.',
    ({ drilled }) => seconds(drilled?.drill?.at),
  ),
  gauge(
    'leafward_backup_drill_ok',
    '1 when it came up and was what its record says, else 0.',
    ({ drilled }) => truth(drilled?.drill?.ok),
  ),
  gauge(
    'leafward_backup_restore_seconds',
    'How long the restore of the newest proven backup took its drill, from the first byte to readiness.',
    ({ proven }) => (proven?.drill === undefined ? undefined : proven.drill.tookMs / 1000),
  ),
  gauge(
    'leafward_backup_proven_timestamp_seconds',
    'When the newest proven backup of the service was finished.',
    ({ proven }) => seconds(proven?.finishedAt),
  ),
  gauge(
    'leafward_backup_unproven',
    '1 while drills by the schedule of the service have proven none of its backups lately, else 0.',
    (subject) => truth(isUnproven(subject)),
  ),
];

export function drillRows(snapshot: Snapshot): readonly Row<DrillSubject>[] {
  const byService = new Map<string, Backup[]>();
  for (const backup of snapshot.backups)
    byService.set(backup.service, [...(byService.get(backup.service) ?? []), backup]);
  return Object.entries(snapshot.services).map(([name, service]) => {
    const backups = byService.get(name) ?? [];
    return {
      labels: labelText({ service: name }),
      subject: {
        service,
        now: snapshot.now,
        drilled: greatest(backups, ({ drill }) => drill?.at),
        proven: greatest(backups.filter(isProven), ({ finishedAt }) => finishedAt),
        oldest: greatest(backups, ({ finishedAt }) => -finishedAt),
      },
    };
  });
}

function greatest(
  backups: readonly Backup[],
  by: (backup: Backup) => number | undefined,
): Backup | undefined {
  let best: Backup | undefined;
  for (const backup of backups)
    if ((by(backup) ?? -Infinity) > (best === undefined ? -Infinity : (by(best) ?? -Infinity)))
      best = backup;
  return best;
}

/** Undefined: its drills are not ordered by a schedule. */
function isUnproven({ service, now, proven, oldest }: DrillSubject): boolean | undefined {
  const { drillSchedule, timeZone } = service.declaration.backup.duty ?? {};
  if (drillSchedule === undefined || timeZone === undefined) return undefined;
  const schedule = parseSchedule(drillSchedule, timeZone);
  // Without a proven one: a drill was due when there was something to drill.
  if (proven === undefined)
    return oldest !== undefined && schedule.lastAt(now, oldest.finishedAt) !== undefined;
  let at: number | undefined = proven.finishedAt;
  for (let drills = 0; drills < MOST_MISSED && at !== undefined; drills += 1)
    at = schedule.nextAfter(at);
  return at !== undefined && at < now;
}
/** Drills that came since, the one that proved it among them. */
const MOST_MISSED = 3;
