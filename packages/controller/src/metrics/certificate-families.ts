// When the members' own certificates end, by member and file.
import type { Snapshot } from '../snapshot.js';
import { gauge, labelText, type Family, type Row } from './family.js';

export interface CertificateSubject {
  readonly expiresAt: number;
}

export const CERTIFICATE_FAMILIES: readonly Family<CertificateSubject>[] = [
  gauge(
    'leafward_member_certificate_expiry_timestamp_seconds',
    'When a certificate in the storage of the member ends.',
    ({ expiresAt }) => expiresAt / 1000,
  ),
];

/** Of hosts that are looked after. */
export function certificateRows({
  hosts,
}: Pick<Snapshot, 'hosts'>): readonly Row<CertificateSubject>[] {
  return Object.values(hosts)
    .filter(({ enrolled, revoked }) => enrolled && !revoked)
    .flatMap(({ name: host, certificates = [] }) =>
      certificates.map(({ member, service, file, expiresAt }) => ({
        labels: labelText({ service, member, host, file }),
        subject: { expiresAt },
      })),
    );
}
