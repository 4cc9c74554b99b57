// What is measured of backups that agents take by themselves, by member, as their hosts told it last.
import type { DutyView } from '@leafward/shared/gen/domain.js';
import { gatherService } from '../planning/gather.js';
import { dutyViews } from '../planning/scheduled.js';
import type { Snapshot } from '../snapshot.js';
import { counter, gauge, labelText, seconds, type Family, type Row } from './family.js';

export const DUTY_FAMILIES: readonly Family<DutyView>[] = [
  gauge(
    'leafward_backup_due_timestamp_seconds',
    'The time of the schedule that passed last, where the member was to be backed up then.',
    ({ duty }) => seconds(duty.dueAt),
  ),
  gauge(
    'leafward_backup_next_timestamp_seconds',
    'When the member is backed up next by the schedule, if no other one is before.',
    ({ duty }) => seconds(duty.nextAt),
  ),
  counter(
    'leafward_backup_schedule_failures_total',
    "Times of the schedule that were missed or failed, since the memory of the member's agent began.",
    ({ duty }) => duty.failures,
  ),
  gauge(
    'leafward_backup_late',
    '1 while a backup by the schedule is due and nobody has begun it in time.',
    ({ state }) => Number(state === 'late'),
  ),
  gauge(
    'leafward_backup_missed',
    '1 while the last backup by the schedule was missed or has failed.',
    ({ state }) => Number(state === 'missed' || state === 'failed'),
  ),
];

/** Members that are backed up by a schedule. */
export function dutyRows(snapshot: Snapshot): readonly Row<DutyView>[] {
  return Object.keys(snapshot.services).flatMap((name) => {
    const service = gatherService(snapshot, name);
    const { duties = [] } = (service && dutyViews(snapshot, service)) ?? {};
    return duties.map((view) => ({
      labels: labelText({ service: name, member: view.duty.member, host: view.host }),
      subject: view,
    }));
  });
}
