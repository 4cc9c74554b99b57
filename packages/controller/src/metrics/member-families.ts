// What is measured of each member and of each service.
import { counter, gauge, seconds, truth, type Family, type Sample } from './family.js';
import { comparedAt, splitOf } from '../planning/histories.js';
import type { MemberRole, MemberSubject, ServiceSubject } from './rows.js';

const ROLES: readonly MemberRole[] = ['leader', 'mirror', 'worker', 'retired'];
const roleSamples = (role: MemberRole): readonly Sample[] =>
  ROLES.map((each) => [`,role="${each}"`, Number(each === role)]);
const ROLE_SAMPLES: Readonly<Record<MemberRole, readonly Sample[]>> = {
  leader: roleSamples('leader'),
  mirror: roleSamples('mirror'),
  worker: roleSamples('worker'),
  retired: roleSamples('retired'),
};

export const MEMBER_FAMILIES: readonly Family<MemberSubject>[] = [
  {
    name: 'leafward_member_role',
    help: '1 for the role that the member has for the controller, 0 for the others.',
    kind: 'gauge',
    samples: ({ role }) => ROLE_SAMPLES[role],
  },
  gauge(
    'leafward_member_up',
    '1 while the member runs, as its agent says; 0 while it does not or its host is silent.',
    ({ fresh }) => Number(fresh?.container.state === 'running'),
  ),
  gauge('leafward_member_answering', '1 while the service answers its agent.', ({ fresh }) =>
    truth(fresh?.engine.answered),
  ),
  gauge('leafward_member_active', '1 while the service itself says that it leads.', ({ fresh }) =>
    truth(fresh?.engine.active),
  ),
  gauge('leafward_member_ready', '1 while the service itself says that it is ready.', ({ fresh }) =>
    truth(fresh?.engine.ready),
  ),
  gauge(
    'leafward_member_frozen',
    '1 while every write to the member waits until it is resumed, 0 while none does; not told before Synapse 2.186.',
    ({ fresh }) => (fresh?.engine.answered === true ? truth(fresh.engine.paused) : undefined),
  ),
  gauge(
    'leafward_member_term',
    'Term of leadership that the member was last started in.',
    ({ received }) => received?.value.term,
  ),
  gauge(
    'leafward_member_position_offsets',
    "Next offset of the member's log.",
    ({ fresh }) => fresh?.engine.position,
  ),
  gauge(
    'leafward_member_lag_offsets',
    'How many offsets a mirror is behind the leader, both as last reported.',
    lagOf,
  ),
  gauge(
    'leafward_member_diverged',
    "1 when an entry of the mirror's log was seen to differ from its leader's, 0 when none was.",
    (subject) =>
      isComparedMirror(subject)
        ? truth(splitOf(subject.leader, subject.received?.value) !== undefined)
        : undefined,
  ),
  gauge(
    'leafward_member_history_compared_timestamp_seconds',
    "When the mirror's log and its leader's were compared last, by the clock of the mirror's host.",
    (subject) =>
      isComparedMirror(subject)
        ? seconds(comparedAt(subject.leader, subject.received?.value))
        : undefined,
  ),
  gauge(
    'leafward_member_data_bytes',
    "Bytes that the member's storage takes on disk.",
    ({ fresh }) => fresh?.storage.dataBytes,
  ),
  gauge(
    'leafward_member_last_seen_timestamp_seconds',
    'When the controller last heard of the member.',
    ({ received }) => seconds(received?.receivedAt),
  ),
  counter(
    'leafward_member_starts_total',
    'Starts of the member by its agent.',
    ({ received }) => received?.value.starts,
  ),
  counter(
    'leafward_member_starts_since_retired_total',
    'Starts of the member since it was retired: always 0.',
    ({ received }) => received?.value.startsSinceRetired,
  ),
];

const isComparedMirror = ({ role, isCompared }: MemberSubject): boolean =>
  role === 'mirror' && isCompared;

function lagOf({ role, fresh, leaderPosition }: MemberSubject): number | undefined {
  const position = fresh?.engine.position;
  if (role !== 'mirror' || position === undefined || leaderPosition === undefined) return undefined;
  return Math.max(0, leaderPosition - position);
}

export const SERVICE_FAMILIES: readonly Family<ServiceSubject>[] = [
  gauge(
    'leafward_service_term',
    'Term of the present leadership of the service.',
    ({ service }) => service.topology.term,
  ),
  gauge(
    'leafward_service_retired_members',
    'Members that lost leadership by force and were not reseeded.',
    ({ service }) => service.topology.retired.length,
  ),
  gauge(
    'leafward_backup_last_success_timestamp_seconds',
    'When the newest complete backup of the service was finished.',
    ({ lastBackup }) => seconds(lastBackup?.finishedAt),
  ),
  gauge(
    'leafward_backup_age_seconds',
    'Age of the newest complete backup of the service.',
    ({ lastBackup, now }) =>
      lastBackup === undefined ? undefined : Math.max(0, now - lastBackup.finishedAt) / 1000,
  ),
  gauge(
    'leafward_backup_maximum_age_seconds',
    'Oldest backup that the policy of the service accepts.',
    ({ service }) => service.declaration.backup.maxAgeMs / 1000,
  ),
  gauge(
    'leafward_backup_size_bytes',
    'Size of the newest complete backup of the service.',
    ({ lastBackup }) => lastBackup?.sizeBytes,
  ),
  gauge(
    'leafward_backup_duration_seconds',
    'How long the newest complete backup of the service took.',
    ({ lastBackup }) =>
      lastBackup === undefined
        ? undefined
        : Math.max(0, lastBackup.finishedAt - lastBackup.startedAt) / 1000,
  ),
  gauge(
    'leafward_backup_verified_timestamp_seconds',
    'When the files of the newest complete backup of the service were read again.',
    ({ lastBackup }) => seconds(lastBackup?.verification?.at),
  ),
  gauge(
    'leafward_backup_verified_success',
    '1 when they were what they had been, 0 when the backup is damaged.',
    ({ lastBackup }) => truth(lastBackup?.verification?.ok),
  ),
  gauge(
    'leafward_backup_copy_timestamp_seconds',
    'When the newest backup of the service that has a sound copy off its host was finished.',
    ({ copies }) => seconds(copies?.newestAt),
  ),
  gauge(
    'leafward_backup_copy_checked_timestamp_seconds',
    'When data of copies of the service were last read back and found right.',
    ({ copies }) => seconds(copies?.checkedAt),
  ),
  gauge(
    'leafward_backup_copies_failing',
    'Hosts on which copies of the service fail or are known to be damaged.',
    ({ copies }) => copies?.failing,
  ),
  gauge(
    'leafward_backup_last_attempt_success',
    '1 when the last finished attempt at a backup of the service succeeded, else 0.',
    ({ lastAttempt, lastBackup }) =>
      lastAttempt === undefined
        ? undefined
        : truth(
            lastAttempt.state === 'succeeded' ||
              // An agent has taken one by itself since.
              (lastBackup?.finishedAt ?? 0) > (lastAttempt.finishedAt ?? 0),
          ),
  ),
];
