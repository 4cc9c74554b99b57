// leafward://HOST:PORT/TOKEN?ca=<sha256 of the CA>&name=<name>: all that a first contact needs, and a secret (I14).
import { createHash, randomBytes } from 'node:crypto';
import { LeafwardError } from '../errors.js';
import { isName } from './names.js';

export interface EnrollmentUrl {
  /** host:port of the enrolment listener. */
  readonly address: string;
  readonly token: string;
  /** SHA-256 of the CA certificate's DER, hex. */
  readonly caSha256: string;
  readonly name?: string | undefined;
}

const TOKEN = /^[A-Za-z0-9_-]{43}$/; // 256 bits, base64url
const SHA256 = /^[0-9a-f]{64}$/;

/** 256 random bits. */
export const createToken = (): string => randomBytes(32).toString('base64url');
/** How a token is stored. It is random, so a plain hash is enough. */
export const hashToken = (token: string): string =>
  createHash('sha256').update(token).digest('hex');

export function formatEnrollmentUrl(parts: EnrollmentUrl): string {
  const name = parts.name === undefined ? '' : `&name=${parts.name}`;
  return `leafward://${parts.address}/${parts.token}?ca=${parts.caSha256}${name}`;
}

/** @throws LeafwardError `invalid`, which never quotes the URL. */
export function parseEnrollmentUrl(text: string): EnrollmentUrl {
  const url = tryUrl(text.trim());
  if (url?.protocol !== 'leafward:') throw unusable('it does not begin with leafward://');
  if (url.hostname === '' || url.port === '') throw unusable('it names no host and port');
  const token = url.pathname.slice(1);
  if (!TOKEN.test(token)) throw unusable('its token is cut off or changed');
  const caSha256 = url.searchParams.get('ca')?.toLowerCase() ?? '';
  if (!SHA256.test(caSha256)) throw unusable('its ca= is not a SHA-256 in hex');
  const name = url.searchParams.get('name') ?? undefined;
  if (name !== undefined && !isName(name)) throw unusable('its name= is not a name');
  return { address: `${url.hostname}:${url.port}`, token, caSha256, name };
}

function tryUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function unusable(what: string): LeafwardError {
  return new LeafwardError(
    'invalid',
    `the enrolment URL cannot be used: ${what}; copy it whole, in quotes, or ask for a new one`,
  );
}
