// What lies in a storage beside Leafward's own: whether there is anything, and its removal. Must never touch the marker
// nor the backups that lie there (I13).
import { opendir, readdir, rm } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';
import { syncDirectory } from './journal.js';

type Kept = Pick<MemberSpec, 'storage' | 'backupDirectory'>;

/** Name of the entry of a storage that backups lie in or below; undefined: they lie elsewhere. */
export function backupsWithin({ storage, backupDirectory }: Kept): string | undefined {
  if (backupDirectory === undefined) return 'backups';
  const path = relative(resolve(storage), resolve(backupDirectory));
  return path === '' || path.startsWith('..') || isAbsolute(path) ? undefined : path.split(sep)[0];
}

/** Not the service's: Leafward's own files, its backups, and what a new file system begins with. */
export function isKeptName(name: string, spec: Kept): boolean {
  return name.startsWith('.leafward') || name === 'lost+found' || name === backupsWithin(spec);
}

/** True when there is no such directory, too. @throws what the system says of one that cannot be read. */
export async function isEmptyStorage(spec: Kept): Promise<boolean> {
  try {
    for await (const { name } of await opendir(spec.storage))
      if (!isKeptName(name, spec)) return false;
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw error;
  }
}

/** Removes everything of the service. Its marker must forbid a start before (retired, or seeding). Idempotent. */
export async function wipeStorage(spec: Kept, signal: AbortSignal): Promise<void> {
  const names = await readdir(spec.storage);
  for (const name of names.filter((one) => !isKeptName(one, spec))) {
    if (signal.aborted)
      throw new LeafwardError('aborted', `empty ${spec.storage}: stopped by the caller`);
    await rm(join(spec.storage, name), { recursive: true, force: true });
  }
  await syncDirectory(spec.storage);
}
