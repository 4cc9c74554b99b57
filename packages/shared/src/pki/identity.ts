// Reads certificates, strictly: an identity is exactly what Leafward's CA writes, or nothing.
import { createHash, X509Certificate } from 'node:crypto';
import { LeafwardError } from '../errors.js';
import { parseSpiffe, type IdentityName } from './names.js';
import { oids } from './oids.js';

export interface Identity extends IdentityName {
  /** Hex, lower case. */
  readonly serial: string;
  /** SHA-256 of the DER, hex. */
  readonly fingerprint: string;
  /** When it was made; it is valid from a little before. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** How far a certificate's begin lies before its making: hosts whose clock is behind can use it at once. */
export const BACKDATE_MS = 5 * 60_000;
const MAX_CERTIFICATE_BYTES = 16_384;

/**
 * Who a certificate speaks for. Says nothing of who signed it: TLS or isIssuedBy does.
 * @throws LeafwardError `unauthenticated`.
 */
export function parseIdentity(certificate: Buffer | string): Identity {
  const x509 = readCertificate(certificate);
  if (x509.ca) throw notOurs('it is a CA');
  const names = (x509.subjectAltName ?? '').split(', ');
  const uris = names.filter((name) => name.startsWith('URI:'));
  const identity = parseSpiffe(uris[0]?.slice('URI:'.length) ?? '');
  if (uris.length !== 1 || identity === undefined)
    throw notOurs('it does not name exactly one spiffe://<fleet>/<kind>/<name>');
  const isServer = identity.kind === 'controller';
  if (!isServer && names.length !== 1) throw notOurs('it has more names than its identity');
  const purposes: readonly string[] = x509.keyUsage ?? [];
  const purpose = isServer ? oids.serverAuth : oids.clientAuth;
  if (purposes.length !== 1 || purposes[0] !== purpose)
    throw notOurs(`it is not made for ${isServer ? 'a server' : 'a client'} only`);
  return {
    ...identity,
    serial: x509.serialNumber.toLowerCase(),
    fingerprint: x509.fingerprint256.replaceAll(':', '').toLowerCase(),
    issuedAt: Date.parse(x509.validFrom) + BACKDATE_MS,
    expiresAt: Date.parse(x509.validTo),
  };
}

/** True when the CA's key has signed the certificate; its dates are not looked at. */
export function isIssuedBy(certificate: Buffer | string, caPem: string): boolean {
  const x509 = readCertificate(certificate);
  const ca = new X509Certificate(caPem);
  return ca.ca && x509.checkIssued(ca) && x509.verify(ca.publicKey);
}

/** The public key of a certificate, SubjectPublicKeyInfo in DER. */
export function publicKeyOfCertificate(certificate: Buffer | string): Buffer {
  return readCertificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
}

/** SHA-256 of a certificate's DER, hex: how a CA is pinned. */
export function fingerprintOf(certificate: string | Buffer): string {
  const raw = new X509Certificate(certificate).raw;
  return createHash('sha256').update(raw).digest('hex');
}

function readCertificate(certificate: Buffer | string): X509Certificate {
  if (certificate.length > MAX_CERTIFICATE_BYTES) throw notOurs('it is too long');
  try {
    return new X509Certificate(certificate);
  } catch (error) {
    throw notOurs('it cannot be read', error);
  }
}

function notOurs(what: string, cause?: unknown): LeafwardError {
  return new LeafwardError('unauthenticated', `the certificate is no identity here: ${what}`, {
    cause,
  });
}
