// The key that seals secrets: a file of the state directory beside the store, made when the first secret is set. The
// store alone, or a copy of it, says nothing. The key leaves this file for node:crypto only.
import { randomBytes } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { assert } from '@leafward/shared/assert.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { KEY_BYTES, keyIdOf, seal, unseal, type StoredSecret } from './seal.js';

export interface Vault {
  /** Makes the key if there is none yet. @throws LeafwardError `failed` */
  ready(): Promise<void>;
  /** After `ready`. */
  seal(
    secret: Pick<StoredSecret, 'name' | 'version' | 'madeAt' | 'madeBy'>,
    plaintext: string,
  ): StoredSecret;
  /** Undefined when it cannot be read: it was sealed with a key that is not here any more. */
  unseal(secret: StoredSecret): string | undefined;
}

export const vaultKeyPath = (stateDir: string): string => join(stateDir, 'secrets.key');

/** @throws LeafwardError `invalid` for a key that is damaged or open to others; none at all is none yet. */
export async function openVault(path: string): Promise<Vault> {
  let key = await readKey(path);
  let making: Promise<Buffer> | undefined;
  return {
    ready: async () => {
      if (key !== undefined) return;
      making ??= makeKey(path).finally(() => (making = undefined));
      key = await making;
    },
    seal: ({ name, version, madeAt, madeBy }, plaintext) => {
      assert(key !== undefined, 'a vault is ready before it seals');
      const sealed = seal(key, { name, version, plaintext });
      return { name, version, madeAt, madeBy, sealed, keyId: keyIdOf(key) };
    },
    unseal: (secret) => (key === undefined ? undefined : unseal(key, secret)),
  };
}

async function readKey(path: string): Promise<Buffer | undefined> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new LeafwardError('failed', `read ${path}: ${error.message}`, { cause: error });
  });
  if (file === undefined) return undefined;
  try {
    if (((await file.stat()).mode & 0o077) !== 0)
      throw new LeafwardError('invalid', `${path} can be read by others; chmod 600 it`);
  } finally {
    await file.close();
  }
  const key = await readFile(path);
  if (key.length === KEY_BYTES) return key;
  throw new LeafwardError(
    'invalid',
    `${path} is damaged: bring it back from a copy, or take it away and set every secret anew`,
  );
}

/** On the disk before anything is sealed with it. */
async function makeKey(path: string): Promise<Buffer> {
  const key = randomBytes(KEY_BYTES);
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(key);
      await file.sync();
    } finally {
      await file.close();
    }
    const directory = await open(dirname(path), 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  } catch (error) {
    throw new LeafwardError('failed', `make the key of secrets ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return key;
}
