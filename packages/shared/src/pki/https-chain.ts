// Whether a chain and a key can be an HTTPS server's: they belong together, the chain is in order, its dates are right.
// Pure but for its arithmetic; no text of it holds anything of the key (I14).
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { LeafwardError } from '../errors.js';

export interface HttpsChain {
  /** The certificates alone, the server's first. */
  readonly chainPem: string;
  /** PKCS #8. */
  readonly keyPem: string;
  /** Of the server's certificate: its names, or its subject where it has none. */
  readonly subject: string;
  /** When the first of the chain ends, milliseconds since 1970. */
  readonly expiresAt: number;
}

/** A chain has three or four; more is some other file. */
const MOST_CERTIFICATES = 10;
const MOST_BYTES = 128 * 1024;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** @throws LeafwardError `invalid` with every problem that was found. */
export function checkHttpsChain(given: {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly now: number;
}): HttpsChain {
  const { certificatePem, keyPem, now } = given;
  if (certificatePem.length > MOST_BYTES || keyPem.length > MOST_BYTES)
    throw invalid([`a file is larger than ${MOST_BYTES} bytes`]);
  const chain = certificatesIn(certificatePem);
  const key = keyIn(keyPem);
  const [leaf] = chain;
  const problems = [
    ...(typeof key === 'string' ? [key] : []),
    ...(leaf === undefined ? ['there is no certificate in the file, as PEM'] : []),
    ...(chain.length > MOST_CERTIFICATES ? [`there are ${chain.length} certificates in it`] : []),
    ...(leaf !== undefined && typeof key !== 'string' && !leaf.checkPrivateKey(key)
      ? [
          `the key is not the one of the first certificate (${nameOf(leaf)}); the server's own comes first`,
        ]
      : []),
    ...orderProblems(chain),
    ...chain.flatMap((one, index) => dateProblems(one, index, now)),
  ];
  if (leaf === undefined || typeof key === 'string' || problems.length > 0) throw invalid(problems);
  return {
    chainPem: chain.map((one) => one.toString()).join(''),
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    subject: nameOf(leaf),
    expiresAt: expiryOf(chain),
  };
}

/** All certificates of a PEM text, in its order. @throws LeafwardError `invalid` for one that cannot be read. */
export function certificatesIn(pem: string): readonly X509Certificate[] {
  return [...pem.matchAll(CERTIFICATE)].map(([one], index) => {
    try {
      return new X509Certificate(one);
    } catch {
      throw invalid([`certificate ${index + 1} cannot be read`]);
    }
  });
}

/** The first of its names, else its common name. */
export function nameOf({ subject, subjectAltName }: X509Certificate): string {
  const names = [...(subjectAltName ?? '').matchAll(/(?:DNS|IP Address):([^,\s]+)/g)];
  const common = /(?:^|\n)CN=([^\n]+)/.exec(subject ?? '')?.[1];
  return names[0]?.[1] ?? common ?? 'a certificate without a name';
}

/** When the first of them ends. */
export const expiryOf = (chain: readonly X509Certificate[]): number =>
  Math.min(...chain.map(({ validTo }) => Date.parse(validTo)));

/** The text says why it is none. */
function keyIn(pem: string): KeyObject | string {
  if (/ENCRYPTED/.test(pem))
    return 'the key has a passphrase, which no cell asks for: write it without one (openssl pkey)';
  try {
    return createPrivateKey(pem);
  } catch {
    return 'there is no private key in the key’s file, as PEM';
  }
}

function orderProblems(chain: readonly X509Certificate[]): readonly string[] {
  return chain.slice(1).flatMap((issuer, index) => {
    const one = chain[index];
    if (one !== undefined && one.checkIssued(issuer) && one.verify(issuer.publicKey)) return [];
    return [
      `certificate ${index + 2} (${nameOf(issuer)}) has not signed the one before it; the server's own comes first, then who signed it, and so on`,
    ];
  });
}

function dateProblems(one: X509Certificate, index: number, now: number): readonly string[] {
  const which = `certificate ${index + 1} (${nameOf(one)})`;
  if (Date.parse(one.validTo) <= now) return [`${which} has ended on ${day(one.validTo)}`];
  if (Date.parse(one.validFrom) > now) return [`${which} begins only on ${day(one.validFrom)}`];
  return [];
}

const day = (text: string): string => new Date(text).toISOString().slice(0, 10);

const invalid = (problems: readonly string[]): LeafwardError =>
  new LeafwardError(
    'invalid',
    `the certificate and the key cannot be used: ${problems.join('; ')}`,
  );
