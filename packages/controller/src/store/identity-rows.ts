// The identity tables as Kysely sees them, and their rows as the controller's own words.
import type { Generated, Selectable } from 'kysely';
import type { AuditRow } from '@leafward/shared/gen/domain.js';
import type {
  CertificateRecord,
  Principal,
  PrincipalKind,
  TokenRecord,
} from '../identity-store.js';

export interface PrincipalTable {
  name: string;
  role: Principal['role'];
  enrolled_at: number;
  /** End of the newest certificate. */
  expires_at: number;
  revoked_at: number | null;
  revoked_reason: string | null;
}

export interface IdentityTables {
  tokens: {
    hash: string;
    kind: PrincipalKind;
    name: string;
    role: Principal['role'];
    made_by: string;
    made_at: number;
    expires_at: number;
    used_at: number | null;
  };
  hosts: PrincipalTable;
  users: PrincipalTable;
  certificates: {
    serial: string;
    kind: PrincipalKind;
    name: string;
    fingerprint: string;
    issued_at: number;
    expires_at: number;
    revoked_at: number | null;
  };
  proofs: { hash: string; forget_at: number };
  audit: {
    id: Generated<number>;
    at: number;
    who: string;
    what: string;
    subject: string;
    result: string;
  };
}

export function tokenOf(row: IdentityTables['tokens']): TokenRecord {
  return {
    hash: row.hash,
    kind: row.kind,
    name: row.name,
    role: row.role,
    madeBy: row.made_by,
    madeAt: row.made_at,
    expiresAt: row.expires_at,
    usedAt: row.used_at ?? undefined,
  };
}

export function principalOf(kind: PrincipalKind, row: PrincipalTable): Principal {
  return {
    kind,
    name: row.name,
    role: row.role,
    enrolledAt: row.enrolled_at,
    certificateExpiresAt: row.expires_at,
    revokedAt: row.revoked_at ?? undefined,
    revokedReason: row.revoked_reason ?? undefined,
  };
}

export function certificateOf(row: IdentityTables['certificates']): CertificateRecord {
  return {
    serial: row.serial,
    kind: row.kind,
    name: row.name,
    fingerprint: row.fingerprint,
    issuedAt: row.issued_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at ?? undefined,
  };
}

export function auditOf(row: Selectable<IdentityTables['audit']>): AuditRow {
  return { at: row.at, who: row.who, what: row.what, subject: row.subject, result: row.result };
}
