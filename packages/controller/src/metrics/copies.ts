// What is measured of the copies off the hosts. Pure.
import type { ServiceState, Snapshot } from '../snapshot.js';

export interface CopiesSubject {
  /** When the newest backup that has a sound copy was finished. */
  readonly newestAt?: number | undefined;
  /** When the data of any of its copies were last read back. */
  readonly checkedAt?: number | undefined;
  /** Hosts on which they fail, or are known to be damaged. */
  readonly failing: number;
}

/** Of the agents' checks. */
const CHECK = 'backup-copies';

export function copiesOf(
  snapshot: Snapshot,
  { declaration }: ServiceState,
): CopiesSubject | undefined {
  if (declaration.backup.duty?.offsite === undefined) return undefined;
  const { name } = declaration;
  const copied = snapshot.backups
    .filter(({ service }) => service === name)
    .flatMap(({ finishedAt, copies }) =>
      (copies?.copies ?? []).map(({ problem, checkedAt }) => ({ finishedAt, problem, checkedAt })),
    );
  const failing = Object.values(snapshot.hosts).filter(({ findings }) =>
    findings.some(
      ({ check, subject, severity }) =>
        check === CHECK && subject === name && ['warning', 'critical'].includes(severity),
    ),
  );
  return {
    newestAt: newest(copied.flatMap((one) => (one.problem === undefined ? one.finishedAt : []))),
    checkedAt: newest(copied.flatMap(({ checkedAt }) => checkedAt ?? [])),
    failing: failing.length,
  };
}

const newest = (times: readonly number[]): number | undefined =>
  times.length === 0 ? undefined : times.reduce((a, b) => Math.max(a, b));
