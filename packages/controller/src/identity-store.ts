// What the controller remembers of identities: who is enrolled, with which role, which certificates were issued
// and taken back, which tokens and proofs were spent, and the audit. Never holds a token or a key, only hashes.
import type { AuditRow, UserRole } from '@leafward/shared/gen/domain.js';

/** Who can be invited; controllers get their certificates from the authority itself. */
export type PrincipalKind = 'agent' | 'user';

export interface Principal {
  readonly kind: PrincipalKind;
  readonly name: string;
  /** `agent` for hosts. */
  readonly role: UserRole | 'agent';
  readonly enrolledAt: number;
  /** End of its newest certificate. */
  readonly certificateExpiresAt: number;
  readonly revokedAt?: number | undefined;
  readonly revokedReason?: string | undefined;
}

export interface TokenRecord {
  /** SHA-256 of the token, hex. */
  readonly hash: string;
  readonly kind: PrincipalKind;
  readonly name: string;
  readonly role: UserRole | 'agent';
  readonly madeBy: string;
  readonly madeAt: number;
  readonly expiresAt: number;
  readonly usedAt?: number | undefined;
}

export interface CertificateRecord {
  readonly serial: string;
  readonly kind: PrincipalKind;
  readonly name: string;
  readonly fingerprint: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly revokedAt?: number | undefined;
}

export interface AdoptedHost {
  readonly name: string;
  /** Undefined: it is taken back. */
  readonly certificate?: CertificateRecord | undefined;
}

export interface IdentityStore {
  addToken(token: TokenRecord): Promise<void>;
  findToken(hash: string): Promise<TokenRecord | undefined>;
  /**
   * Spends a token and records what came of it, in one transaction: either the token is used up, the principal is
   * enrolled and the certificate recorded, or nothing has changed. False: somebody else spent it, or it expired.
   */
  enroll(spent: TokenRecord, certificate: CertificateRecord, audit: AuditRow): Promise<boolean>;
  /** Records a renewed certificate. False: the principal or the old serial was revoked in between. */
  renew(oldSerial: string, certificate: CertificateRecord, audit: AuditRow): Promise<boolean>;
  /**
   * Writes down a host that a lost store knew: with the certificate that it showed, or as one that may not come in.
   * Nothing when its name is known already.
   */
  adopt(host: AdoptedHost, audit: AuditRow): Promise<void>;
  findCertificate(serial: string): Promise<CertificateRecord | undefined>;
  /** How many certificates one principal got since that moment. */
  issuedSince(kind: PrincipalKind, name: string, since: number): Promise<number>;
  /** Remembers a proof until `forgetAt`. False: it was seen before. */
  spendProof(hash: string, forgetAt: number, now: number): Promise<boolean>;
  /** Takes back the principal, all its certificates and its open tokens. False: there is no such principal or token. */
  revoke(kind: PrincipalKind, name: string, audit: AuditRow): Promise<boolean>;
  /** Answers at once, from what was read at the start and written since. */
  principal(kind: PrincipalKind, name: string): Principal | undefined;
  principals(kind: PrincipalKind): readonly Principal[];
  /** True also for a name that was never enrolled. Answers at once: asked at every stream, call and renewal. */
  isRevoked(kind: PrincipalKind, name: string, serial: string): boolean;
  addAudit(row: AuditRow): Promise<void>;
  /** Newest first. */
  audit(limit: number): Promise<readonly AuditRow[]>;
}
