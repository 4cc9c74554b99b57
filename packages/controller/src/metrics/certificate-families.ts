// How long the members' own certificates are good, by member and file.
import type { Snapshot } from '../snapshot.js';
import { gauge, labelText, type Family, type Row } from './family.js';

export interface CertificateSubject {
  readonly leftMs: number;
}

const DAY_MS = 24 * 3_600_000;

export const CERTIFICATE_FAMILIES: readonly Family<CertificateSubject>[] = [
  gauge(
    'leafward_member_certificate_days_left',
    'Days until a certificate in the storage of the member ends; below 0 it has ended.',
    ({ leftMs }) => Math.round((leftMs / DAY_MS) * 100) / 100,
  ),
];

/** Of hosts that are looked after. */
export function certificateRows({
  hosts,
  now,
}: Pick<Snapshot, 'hosts' | 'now'>): readonly Row<CertificateSubject>[] {
  return Object.values(hosts)
    .filter(({ enrolled, revoked }) => enrolled && !revoked)
    .flatMap(({ name: host, certificates = [] }) =>
      certificates.map(({ member, service, file, expiresAt }) => ({
        labels: labelText({ service, member, host, file }),
        subject: { leftMs: expiresAt - now },
      })),
    );
}
