// Lets hosts and users in and out: one-time invitations, first certificates, renewals, revocations. Every order and
// every refusal leaves an audit row. The identity always comes from the token or the old certificate, never from
// what a caller says of itself.
import { createHash } from 'node:crypto';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  EnrollmentService,
  EnrollRequest,
  EnrollResponse,
  RenewExpiredRequest,
  RenewExpiredResponse,
  UserRole,
} from '@leafward/shared/gen/domain.js';
import { readCsr } from '@leafward/shared/pki/csr.js';
import {
  createToken,
  formatEnrollmentUrl,
  hashToken,
} from '@leafward/shared/pki/enrollment-url.js';
import { parseIdentity, type Identity } from '@leafward/shared/pki/identity.js';
import { checkName } from '@leafward/shared/pki/names.js';
import { isProof } from '@leafward/shared/pki/proof.js';
import type { ServiceHandlers } from '@leafward/shared/rpc/service.js';
import type { Authority, Issued } from './authority.js';
import type {
  CertificateRecord,
  IdentityStore,
  PrincipalKind,
  TokenRecord,
} from './identity-store.js';

export interface EnrollmentOptions {
  readonly authority: Authority;
  readonly store: IdentityStore;
  readonly clock: Clock;
  /** host:port of the mTLS listener, as clients reach it. */
  readonly address: string;
  /** host:port of the enrolment listener, as clients reach it. */
  readonly enrollmentAddress: string;
  readonly lifetimesMs: Readonly<Record<PrincipalKind, number>>;
  /** Certificates that one principal may get in an hour. Default 60. */
  readonly maxIssuedPerHour?: number;
}

export interface Invitation {
  readonly kind: PrincipalKind;
  readonly name: string;
  /** A user's; a host's is always `agent`. */
  readonly role?: UserRole | undefined;
  /** 0: the default of one hour. */
  readonly ttlMs: number;
  readonly madeBy: string;
}
/** Who is known to call, by its certificate. */
export type Caller = Pick<Identity, 'kind' | 'name' | 'serial'>;

export interface Enrollment {
  readonly handlers: ServiceHandlers<EnrollmentService, undefined>;
  /** @throws LeafwardError `invalid` for a name or a time that cannot be. */
  invite(invitation: Invitation): Promise<{ readonly url: string; readonly expiresAt: number }>;
  /** A certificate for the caller's own identity. @throws LeafwardError `denied` when it was revoked. */
  renewCertificate(caller: Caller, csrPem: string): Promise<RenewExpiredResponse>;
  /** From now on no call, stream or renewal of that identity is served. @throws LeafwardError `not-found`. */
  revoke(order: Revocation): Promise<void>;
}
export interface Revocation {
  readonly kind: PrincipalKind;
  readonly name: string;
  readonly reason: string;
  readonly by: string;
}

const HOUR_MS = 3_600_000;
const DEFAULT_TTL_MS = HOUR_MS;
const MAX_TTL_MS = 7 * 24 * HOUR_MS;
const MAX_ISSUED_PER_HOUR = 60; // a certificate of three minutes would renew 30 times
const PROOF_AGE_MS = 5 * 60_000; // a host's clock may be as wrong as a certificate is backdated
// Refusals that reach the audit, so that it cannot be flooded: by callers whom nobody knows, and by known ones.
const REFUSALS_PER_MINUTE = { stranger: 30, known: 120 };

/** @throws LeafwardError `denied`. Asked at every new stream, call and renewal. */
export function assertNotRevoked(store: IdentityStore, caller: Caller): void {
  const isKnown = caller.kind !== 'controller';
  if (!isKnown || store.isRevoked(caller.kind, caller.name, caller.serial)) throw revoked(caller);
}

function revoked(caller: Caller): LeafwardError {
  return new LeafwardError(
    'denied',
    `the certificate of the ${caller.kind} ${caller.name} was revoked; an admin can invite it again`,
  );
}

export function createEnrollment(options: EnrollmentOptions): Enrollment {
  const attempts = createAttempts(options);
  return {
    handlers: {
      enroll: (request, { peer }) =>
        attempts.run('enroll', peer, (attempt) => enroll(options, request, attempt)),
      renewExpired: (request, { peer }) =>
        attempts.run('renew expired', peer, (attempt) => renewExpired(options, request, attempt)),
    },
    invite: (invitation) => invite(options, invitation),
    renewCertificate: (caller, csrPem) => {
      const who = `${caller.kind}/${caller.name}`;
      return attempts.run('renew', who, (attempt) => {
        Object.assign(attempt, { subject: who, isKnown: true });
        return renew(options, caller, csrPem, attempt);
      });
    },
    revoke: async ({ kind, name, reason, by }) => {
      const at = options.clock.now();
      const row = { at, who: by, what: 'revoke', subject: `${kind}/${name}`, result: reason };
      if (await options.store.revoke(kind, name, row)) return;
      throw new LeafwardError(
        'not-found',
        `revoke the ${kind} ${name}: nobody of that name is enrolled or invited`,
      );
    },
  };
}

/** One try to get a certificate, for the audit: filled in as it becomes known who tries. */
interface Attempt {
  readonly what: string;
  readonly who: string;
  subject: string;
  isKnown: boolean;
}
interface Attempts {
  /** Runs a try; a refusal leaves an audit row before it is thrown on. */
  run<T>(what: string, who: string, act: (attempt: Attempt) => Promise<T>): Promise<T>;
}

function createAttempts({ store, clock }: EnrollmentOptions): Attempts {
  let minute = 0;
  let rows = { stranger: 0, known: 0 };
  const mayWrite = (isKnown: boolean): boolean => {
    const now = Math.floor(clock.now() / 60_000);
    if (now !== minute) [minute, rows] = [now, { stranger: 0, known: 0 }];
    const whose = isKnown ? 'known' : 'stranger';
    rows[whose] += 1;
    return rows[whose] <= REFUSALS_PER_MINUTE[whose];
  };
  return {
    run: async (what, who, act) => {
      const attempt: Attempt = { what, who, subject: 'unknown', isKnown: false };
      try {
        return await act(attempt);
      } catch (error) {
        if (error instanceof LeafwardError && mayWrite(attempt.isKnown)) {
          const { subject } = attempt;
          const result = `refused: ${error.text}`;
          await store.addAudit({ at: clock.now(), who, what, subject, result });
        }
        throw error;
      }
    },
  };
}

async function invite(
  { authority, store, clock, enrollmentAddress }: EnrollmentOptions,
  invitation: Invitation,
): Promise<{ readonly url: string; readonly expiresAt: number }> {
  const { kind, madeBy } = invitation;
  const name = checkName(invitation.name, kind === 'agent' ? 'the host' : 'the user');
  const ttlMs = invitation.ttlMs === 0 ? DEFAULT_TTL_MS : invitation.ttlMs;
  if (!(ttlMs > 0 && ttlMs <= MAX_TTL_MS))
    throw new LeafwardError('invalid', `invite ${name}: a token lives for at most seven days`);
  const token = createToken();
  const madeAt = clock.now();
  const expiresAt = madeAt + ttlMs;
  const role = kind === 'agent' ? 'agent' : (invitation.role ?? 'viewer');
  await store.addToken({ hash: hashToken(token), kind, name, role, madeBy, madeAt, expiresAt });
  await store.addAudit({
    at: madeAt,
    who: madeBy,
    what: 'invite',
    subject: `${kind}/${name}`,
    result: `as ${role}, until ${new Date(expiresAt).toISOString()}`,
  });
  const { caSha256 } = authority;
  const url = formatEnrollmentUrl({ address: enrollmentAddress, token, caSha256, name });
  return { url, expiresAt };
}

async function enroll(
  options: EnrollmentOptions,
  request: EnrollRequest,
  attempt: Attempt,
): Promise<EnrollResponse> {
  const { authority, store, clock } = options;
  const token = await store.findToken(hashToken(request.token));
  if (token === undefined)
    throw refusedToken('nobody made this token here; copy the URL whole, or ask for a new one');
  attempt.subject = `${token.kind}/${token.name}`;
  attempt.isKnown = true;
  assertUsable(token, request.name, clock.now());
  // A request that cannot be read must not cost the token.
  const publicKey = readCsr(request.csrPem);
  const { certificatePem, record } = issue(options, token, publicKey);
  const audit = {
    at: record.issuedAt,
    who: attempt.who,
    what: attempt.what,
    subject: attempt.subject,
    result: `as ${token.role}, certificate ${record.serial}`,
  };
  if (!(await store.enroll(token, record, audit)))
    throw refusedToken('it was used by somebody else just now; if that was not you, revoke it');
  return {
    certificatePem,
    caPem: authority.caPem,
    fleet: authority.fleet,
    name: token.name,
    address: options.address,
    role: token.role,
  };
}

function assertUsable(token: TokenRecord, claimed: string, now: number): void {
  const whose = `it was made for the ${token.kind === 'agent' ? 'host' : 'user'} ${token.name}`;
  if (token.usedAt !== undefined)
    throw refusedToken(
      `${whose} and was used at ${new Date(token.usedAt).toISOString()}; a token works once. If that was not you, revoke ${token.name}, then ask for a new one`,
    );
  if (token.expiresAt <= now)
    throw refusedToken(
      `${whose} and ended at ${new Date(token.expiresAt).toISOString()}; ask for a new one`,
    );
  if (claimed !== '' && claimed !== token.name)
    throw new LeafwardError('denied', `enrol ${claimed.slice(0, 64)} with this token: ${whose}`);
}

/** A new certificate for somebody who shows a certificate of ours; same name, new key. */
async function renew(
  options: EnrollmentOptions,
  caller: Caller,
  csrPem: string,
  attempt: Attempt,
): Promise<RenewExpiredResponse> {
  const { authority, store, clock } = options;
  const { kind, name } = caller;
  assertNotRevoked(store, caller);
  if (kind === 'controller') throw new LeafwardError('denied', 'a controller renews by itself');
  const limit = options.maxIssuedPerHour ?? MAX_ISSUED_PER_HOUR;
  if ((await store.issuedSince(kind, name, clock.now() - HOUR_MS)) >= limit)
    throw new LeafwardError(
      'exhausted',
      `renew the certificate of ${name}: it got ${limit} within an hour; look at why it asks so often`,
      { retry: 'later' },
    );
  const { certificatePem, record } = issue(options, { kind, name }, readCsr(csrPem));
  const audit = {
    at: record.issuedAt,
    who: attempt.who,
    what: attempt.what,
    subject: attempt.subject,
    result: `certificate ${record.serial}`,
  };
  // Asked again within the commit: a revocation may have come in between.
  if (!(await store.renew(caller.serial, record, audit))) throw revoked(caller);
  return { certificatePem, caPem: authority.caPem };
}

async function renewExpired(
  options: EnrollmentOptions,
  request: RenewExpiredRequest,
  attempt: Attempt,
): Promise<RenewExpiredResponse> {
  const { authority, store, clock } = options;
  const { certificatePem, csrPem, signedAt } = request;
  const caller = parseIdentity(certificatePem);
  if (!authority.isOurs(certificatePem))
    throw new LeafwardError('unauthenticated', 'renew a certificate of another CA: not here');
  if (!isProof(request))
    throw new LeafwardError(
      'unauthenticated',
      `renew the certificate of ${caller.name}: the proof is not signed by its key`,
    );
  attempt.subject = `${caller.kind}/${caller.name}`;
  attempt.isKnown = true;
  const now = clock.now();
  if (Math.abs(now - signedAt) > PROOF_AGE_MS)
    throw new LeafwardError(
      'unauthenticated',
      `renew the certificate of ${caller.name}: the proof was signed ${Math.round((now - signedAt) / 1000)} s ago by its clock, at most ${PROOF_AGE_MS / 1000} s are taken; set the clock of that machine`,
      { retry: 'later' },
    );
  assertNotRevoked(store, caller);
  // Unlike a live connection, an old file may come from anywhere: only certificates on record are renewed.
  if ((await store.findCertificate(caller.serial)) === undefined)
    throw new LeafwardError(
      'denied',
      `renew the certificate of ${caller.name}: there is no record of it; invite it again`,
    );
  const hash = createHash('sha256').update(`${signedAt}\n${csrPem}`).digest('hex');
  if (!(await store.spendProof(hash, signedAt + 2 * PROOF_AGE_MS, now)))
    throw new LeafwardError(
      'unauthenticated',
      `renew the certificate of ${caller.name}: this proof was used before`,
      { retry: 'now' },
    );
  return renew(options, caller, csrPem, attempt);
}

function issue(
  { authority, clock, lifetimesMs }: EnrollmentOptions,
  { kind, name }: { readonly kind: PrincipalKind; readonly name: string },
  publicKey: Buffer,
): Issued & { readonly record: CertificateRecord } {
  const now = clock.now();
  const issued = authority.issue({ kind, name, publicKey, now, lifetimeMs: lifetimesMs[kind] });
  const { serial, fingerprint, expiresAt } = issued.identity;
  return { ...issued, record: { serial, kind, name, fingerprint, issuedAt: now, expiresAt } };
}

function refusedToken(why: string): LeafwardError {
  return new LeafwardError('unauthenticated', `enrol with a token: ${why}`);
}
