// Where a member's backups lie and what they may be called: the same for every engine.
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';
import { allocatedBytes } from './allocated-bytes.js';

type Place = Pick<MemberSpec, 'storage' | 'backupDirectory'>;

/** Where live backups land, as the host sees it. */
export function backupDirectoryOf(spec: Place): string {
  return spec.backupDirectory ?? join(spec.storage, 'backups');
}

/** Beside each backup: every file of it with its SHA-256. */
export const MANIFEST_SUFFIX = '.leafward-manifest';
export const manifestPathOf = (backupPath: string): string => `${backupPath}${MANIFEST_SUFFIX}`;

/** @throws LeafwardError `invalid` for what could be no plain file name, or one that hides. */
export function assertBackupName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name)) return;
  throw new LeafwardError(
    'invalid',
    `backup name ${JSON.stringify(name)}: letters, digits, . _ - only`,
  );
}

/** Allocated bytes of a storage without the backups that lie in it. */
export async function dataBytesOf(spec: Place, signal: AbortSignal): Promise<number> {
  const directory = backupDirectoryOf(spec);
  const whole = await allocatedBytes(spec.storage, signal);
  const isInside = directory.startsWith(`${spec.storage}/`);
  return whole - (isInside ? await allocatedBytes(directory, signal) : 0);
}

/** The path itself, or the directory nearest to it that is there. */
export async function nearestExisting(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) if ((await isThere(at)) || at === dirname(at)) return at;
}

/** False also where nobody may look. */
export async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
