// What is measured of the backups that are kept, by service and host: how many, and the space that they take.
import type { Snapshot } from '../snapshot.js';
import { gauge, labelText, type Family, type Row } from './family.js';

export interface KeepSubject {
  readonly count: number;
  readonly bytes: number;
}

export const KEEP_FAMILIES: readonly Family<KeepSubject>[] = [
  gauge(
    'leafward_backup_kept',
    'Complete backups of the service that lie on the host.',
    ({ count }) => count,
  ),
  gauge(
    'leafward_backup_kept_bytes',
    'Space that the complete backups of the service take on the host.',
    ({ bytes }) => bytes,
  ),
];

/** Of hosts that are looked after. */
export function keepRows({
  backups,
  hosts,
}: Pick<Snapshot, 'backups' | 'hosts'>): readonly Row<KeepSubject>[] {
  const kept = new Map<string, KeepSubject>();
  for (const { service, host, sizeBytes } of backups) {
    if (hosts[host]?.enrolled !== true || hosts[host].revoked) continue;
    const labels = labelText({ service, host });
    const { count, bytes } = kept.get(labels) ?? { count: 0, bytes: 0 };
    kept.set(labels, { count: count + 1, bytes: bytes + sizeBytes });
  }
  return [...kept].map(([labels, subject]) => ({ labels, subject }));
}
