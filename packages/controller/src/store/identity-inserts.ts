// Rows that several writes of the identity store add. Called inside their transactions.
import type { Kysely, Transaction } from 'kysely';
import type { AuditRow } from '@leafward/shared/gen/domain.js';
import type { CertificateRecord } from '../identity-store.js';
import type { IdentityTables } from './identity-rows.js';

type Trx = Transaction<IdentityTables>;

export async function insertCertificate(trx: Trx, certificate: CertificateRecord): Promise<void> {
  await trx
    .insertInto('certificates')
    .values({
      serial: certificate.serial,
      kind: certificate.kind,
      name: certificate.name,
      fingerprint: certificate.fingerprint,
      issued_at: certificate.issuedAt,
      expires_at: certificate.expiresAt,
      revoked_at: null,
    })
    .execute();
}

export async function insertAudit(db: Kysely<IdentityTables> | Trx, row: AuditRow): Promise<void> {
  await db
    .insertInto('audit')
    .values({ at: row.at, who: row.who, what: row.what, subject: row.subject, result: row.result })
    .execute();
}
