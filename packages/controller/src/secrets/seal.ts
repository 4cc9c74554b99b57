// Secrets as they lie in the store: AES-256-GCM under one key. Name and version are authenticated with the value, so
// that no row can stand in for another. Must never put a value into an error (I14).
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { secretKey } from '@leafward/shared/secrets.js';

/** A secret at one version. Without `sealed` it was removed, and keeps its number from being used again. */
export interface StoredSecret {
  readonly name: string;
  readonly version: number;
  /** Base64 of nonce (12 bytes), tag (16) and ciphertext. */
  readonly sealed?: string | undefined;
  /** Of the key that it was sealed with. */
  readonly keyId: string;
  readonly madeAt: number;
  readonly madeBy: string;
}

export const KEY_BYTES = 32;
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12; // what GCM is made for; drawn anew each time: 2^32 of them are safe, here are thousands
const TAG_BYTES = 16;

/** Tells keys apart, and nothing of the key: 16 hex digits. */
export const keyIdOf = (key: Buffer): string =>
  createHash('sha256').update('leafward secrets key\n').update(key).digest('hex').slice(0, 16);

export function seal(
  key: Buffer,
  secret: { readonly name: string; readonly version: number; readonly plaintext: string },
): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(secretKey(secret)));
  const sealed = Buffer.concat([cipher.update(secret.plaintext, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
}

/** Undefined: another key, another name or version, damaged, or removed. */
export function unseal(key: Buffer, secret: StoredSecret): string | undefined {
  const bytes = Buffer.from(secret.sealed ?? '', 'base64');
  if (bytes.length <= NONCE_BYTES + TAG_BYTES) return undefined;
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const tag = bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(secretKey(secret)));
  decipher.setAuthTag(tag);
  try {
    const plain = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES));
    return Buffer.concat([plain, decipher.final()]).toString('utf8');
  } catch {
    return undefined; // the tag does not fit; what OpenSSL says of it helps nobody
  }
}
