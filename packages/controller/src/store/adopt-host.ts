// A host of a lost store comes back into the identity tables, in one transaction.
import type { Transaction } from 'kysely';
import type { AuditRow } from '@leafward/shared/gen/domain.js';
import type { AdoptedHost, Principal } from '../identity-store.js';
import { insertAudit, insertCertificate } from './identity-inserts.js';
import { principalOf, type IdentityTables, type PrincipalTable } from './identity-rows.js';

export async function adoptHost(
  trx: Transaction<IdentityTables>,
  { name, certificate }: AdoptedHost,
  audit: AuditRow,
): Promise<Principal> {
  const row: PrincipalTable = {
    name,
    role: 'agent',
    enrolled_at: certificate?.issuedAt ?? audit.at,
    expires_at: certificate?.expiresAt ?? audit.at,
    revoked_at: certificate === undefined ? audit.at : null,
    revoked_reason: certificate === undefined ? audit.result : null,
  };
  await trx.insertInto('hosts').values(row).execute();
  if (certificate !== undefined) await insertCertificate(trx, certificate);
  await insertAudit(trx, audit);
  return principalOf('agent', row);
}
