// One identity on disk: key, certificate, CA and the controller's addresses in one file, so that a key can never
// stand beside another key's certificate. Replaced whole or not at all; readable by its owner only.
import { constants } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '../assert.js';
import { LeafwardError, messageOf } from '../errors.js';
import { parseIdentity, publicKeyOfCertificate } from './identity.js';
import { publicKeyOf } from './keys.js';

export interface StoredIdentity {
  readonly format: 1;
  readonly fleet: string;
  readonly kind: 'agent' | 'user';
  readonly name: string;
  /** viewer, operator or admin when it was enrolled; agent for a host. The controller's word counts. */
  readonly role: string;
  /** host:port of the mTLS listener. */
  readonly address: string;
  /** host:port of the enrolment listener, for a certificate that has expired. */
  readonly enrollmentAddress: string;
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly caPem: string;
}

/** Every key and whether a value fits it. By hand: a library for it would be a tenth of an agent's memory. */
const isText = (value: unknown): boolean => typeof value === 'string';
const fits: Readonly<Record<keyof StoredIdentity, (value: unknown) => boolean>> = {
  format: (value) => value === 1,
  fleet: isText,
  kind: (value) => value === 'agent' || value === 'user',
  name: isText,
  role: isText,
  address: isText,
  enrollmentAddress: isText,
  keyPem: isText,
  certificatePem: isText,
  caPem: isText,
};

const FILE = 'identity.json';
const OWNER_ONLY = 0o600;
const OTHERS = 0o077;
const MAX_BYTES = 65_536; // one has about 3 KiB

export const identityPath = (directory: string): string => join(directory, FILE);

/** @throws LeafwardError `unauthenticated` when nobody is enrolled there, `invalid` when the file cannot be trusted. */
export async function loadIdentity(directory: string): Promise<StoredIdentity> {
  const path = identityPath(directory);
  const text = await readPrivate(path);
  const identity = parseStored(text);
  if (typeof identity === 'string')
    throw new LeafwardError('invalid', `${path} cannot be used: ${identity}; enrol again`);
  return identity;
}

/** Durable when it returns. Makes the directory, for its owner only, if it is missing. */
export async function saveIdentity(directory: string, identity: StoredIdentity): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  assert(misfitsOf(identity).length === 0, 'an identity that is saved is whole');
  const path = identityPath(directory);
  const temporary = `${path}.new`;
  await rm(temporary, { force: true }); // left by a crash, perhaps with other rights
  const file = await open(temporary, 'wx', OWNER_ONLY);
  try {
    await file.writeFile(`${JSON.stringify(identity, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const folder = await open(directory, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function readPrivate(path: string): Promise<string> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT')
      throw new LeafwardError(
        'unauthenticated',
        `nobody is enrolled here (no ${path}); enrol with the one-time URL that an admin gives you`,
      );
    throw new LeafwardError('failed', `read ${path}: ${messageOf(error)}`, { cause: error });
  });
  try {
    const { mode, size } = await file.stat();
    if ((mode & OTHERS) !== 0)
      throw new LeafwardError(
        'invalid',
        `${path} can be read by others, so its key may be known; chmod 600 it, or revoke it and enrol again`,
      );
    if (size > MAX_BYTES)
      throw new LeafwardError('invalid', `${path} is no identity: ${size} bytes`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** The identity, or what is wrong with the text; never a piece of the text itself (I14). */
function parseStored(text: string): StoredIdentity | string {
  try {
    const parsed: unknown = JSON.parse(text);
    const misfits = misfitsOf(parsed);
    if (misfits.length > 0) return misfits.join(', ');
    const identity = parsed as StoredIdentity;
    const { kind, name, fleet, certificatePem, keyPem } = identity;
    const named = parseIdentity(certificatePem);
    if (named.kind !== kind || named.name !== name || named.fleet !== fleet)
      return 'its certificate is for somebody else';
    if (!publicKeyOfCertificate(certificatePem).equals(publicKeyOf(keyPem)))
      return 'its key is not its certificate’s';
    return identity;
  } catch (error) {
    return error instanceof LeafwardError ? error.text : 'it is damaged';
  }
}

/** Keys that are missing, wrong or unknown. */
function misfitsOf(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return ['the file'];
  const entries = value as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(entries).filter((key) => !Object.hasOwn(fits, key));
  const wrong = Object.entries(fits).filter(([key, isFit]) => !isFit(entries[key]));
  return [...wrong.map(([key]) => key), ...unknown.map((key) => `unknown ${key}`)];
}
