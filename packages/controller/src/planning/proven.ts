// What drills have shown of a service's backups: a backup is proven when a copy of it was booted and was what its record
// says. Pure.
import type { Backup, Evidence, Image } from '@leafward/shared/gen/domain.js';
import type { Rehearsal, Snapshot } from '../snapshot.js';
import { backupsOf, type ServiceAt } from './gather.js';
import { REHEARSAL_COUNTS_MS } from './thresholds.js';
import { evidence, renderDuration, type Objection } from './words.js';

export const isProven = ({ drill }: Backup): boolean => drill?.ok === true;
export const hasFailedDrill = ({ drill }: Backup): boolean => drill?.ok === false;

/** Of the policy that wants a proven one (I6). `usable`: newest first, the first of them is fresh. */
export function objectToUnproven(
  snapshot: Snapshot,
  { name, declaration: { backup: policy } }: ServiceAt,
  usable: readonly Backup[],
): readonly Objection[] {
  if (policy.requireDrill !== true) return [];
  const proven = usable.find(isProven);
  const ageMs = proven === undefined ? undefined : snapshot.now - proven.finishedAt;
  if (ageMs !== undefined && ageMs <= policy.maxAgeMs) return [];
  const newest = usable[0]?.name ?? '';
  return [
    {
      code: 'no-proven-backup',
      subject: name,
      message:
        ageMs === undefined
          ? `no backup of ${name} was booted by a drill, and the policy wants one that was (I6)`
          : `the newest proven backup of ${name} is ${renderDuration(ageMs)} old, the policy wants at most ${renderDuration(policy.maxAgeMs)} (I6)`,
      unblock: `prove the newest one: leafward backup drill ${newest} --service ${name}`,
      evidence: [
        evidence('newest backup', newest),
        evidence('newest proven backup', proven?.name ?? 'none', { seenAt: proven?.drill?.at }),
      ],
    },
  ];
}

/** What is wrong with its backups by their last drills, a line each. */
export function drillProblems(snapshot: Snapshot, service: ServiceAt): readonly string[] {
  return backupsOf(snapshot, service.name)
    .filter(hasFailedDrill)
    .map(
      ({ name, host, drill }) =>
        `its backup ${name} on ${host} failed its drill: ${drill?.problems[0] ?? 'no reason given'}`,
    );
}

/** What came of the last drill with this image, where one is known: of the migration that an update begins. */
export const rehearsalOf = (
  { rehearsals = [], now }: Pick<Snapshot, 'rehearsals' | 'now'>,
  service: Pick<ServiceAt, 'name'>,
  image: Pick<Image, 'digest'>,
): Rehearsal | undefined =>
  rehearsals
    .filter(
      (one) =>
        one.service === service.name &&
        one.drill.image.digest === image.digest &&
        now - one.drill.at <= REHEARSAL_COUNTS_MS,
    )
    .reduce<Rehearsal | undefined>(
      (last, one) => (last === undefined || one.drill.at > last.drill.at ? one : last),
      undefined,
    );

export function rehearsalFacts(rehearsal: Rehearsal | undefined): readonly Evidence[] {
  if (rehearsal === undefined) return [];
  const { ok, at, tookMs, migrationMs } = rehearsal.drill;
  const text = ok
    ? `up after ${renderDuration(tookMs)}, ${renderDuration(migrationMs)} of it migrating`
    : `failed: ${problemOf(rehearsal)}`;
  return [
    evidence('rehearsal with this image', `${text} (${rehearsal.backup} on ${rehearsal.host})`, {
      seenAt: at,
    }),
  ];
}

const problemOf = ({ drill }: Rehearsal): string => drill.problems[0] ?? 'no reason given';

const failureOf = (rehearsal: Rehearsal): string =>
  `a copy of backup ${rehearsal.backup} did NOT come up with this image: ${problemOf(rehearsal)}`;

export function rehearsalWarnings(
  rehearsal: Rehearsal | undefined,
  despite?: string,
): readonly string[] {
  if (rehearsal === undefined || rehearsal.drill.ok) return [];
  return [
    despite === undefined
      ? failureOf(rehearsal)
      : `${failureOf(rehearsal)}; it goes on despite that: ${despite}`,
  ];
}

/** What was tried and failed is not tried on the living without somebody's word. */
export function objectToRehearsal(
  service: ServiceAt,
  rehearsal: Rehearsal | undefined,
): readonly Objection[] {
  if (rehearsal === undefined || rehearsal.drill.ok) return [];
  return [
    {
      code: 'rehearsal-failed',
      subject: service.name,
      message: failureOf(rehearsal),
      unblock: `find out why, and rehearse again: leafward backup drill ${rehearsal.backup} --service ${service.name} --image ${rehearsal.drill.image.reference}; or update all the same: --despite-rehearsal REASON`,
      evidence: rehearsalFacts(rehearsal),
    },
  ];
}

/** The newest one that is proven, for `why`. */
export function provenFact(snapshot: Snapshot, service: ServiceAt): Evidence {
  const proven = backupsOf(snapshot, service.name).find(isProven);
  return evidence(
    'newest proven backup',
    proven?.drill === undefined
      ? 'none'
      : `${proven.name} of ${proven.member}, ${renderDuration(Math.max(0, snapshot.now - proven.finishedAt))} old, restored in ${renderDuration(proven.drill.tookMs)} by its drill`,
    {
      seenAt: proven?.drill?.at,
      ...(service.declaration.backup.requireDrill === true
        ? { wanted: `≤ ${renderDuration(service.declaration.backup.maxAgeMs)} old` }
        : {}),
    },
  );
}
