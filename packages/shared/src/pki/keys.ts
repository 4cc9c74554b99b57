// Keys and their signatures: P-256 from node:crypto. A key is made where it is used and never travels.
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';
import { LeafwardError } from '../errors.js';

const CURVE = 'prime256v1'; // P-256: 32-byte keys, a signature in 0.1 ms, in every TLS stack

/** A new private key, PKCS #8 in PEM. */
export async function createKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: CURVE });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** SubjectPublicKeyInfo of a private key, DER. */
export function publicKeyOf(keyPem: string): Buffer {
  return createPublicKey(keyPem).export({ type: 'spki', format: 'der' });
}

/** @throws LeafwardError `invalid` when the bytes are no P-256 key. */
export function readPublicKey(spki: Buffer): KeyObject {
  const key = tryPublicKey(spki);
  if (key?.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== CURVE)
    throw new LeafwardError('invalid', 'a public key must be an elliptic one on P-256');
  return key;
}

function tryPublicKey(spki: Buffer): KeyObject | undefined {
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

/** ECDSA with SHA-256, in DER as X.509 wants it. */
export function signBytes(bytes: Buffer, keyPem: string): Buffer {
  return sign('sha256', bytes, createPrivateKey(keyPem));
}

export function isSignedBy(bytes: Buffer, signature: Buffer, key: KeyObject): boolean {
  try {
    return verify('sha256', bytes, key, signature);
  } catch {
    return false; // a signature that is not even DER
  }
}
