// What lies in a storage beside Leafward's own: whether there is anything, and its removal. Must never touch the marker
// nor the backups that lie there (I13).
import { opendir, readFile, readdir, rm } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';
import { isWithin, parseMounts } from './checks/mounts.js';
import { syncDirectory } from './journal.js';
import { realPathOf } from './marker.js';

type Kept = Pick<MemberSpec, 'storage' | 'backupDirectory'>;

/**
 * Names of the entries of a storage that backups lie in or below; none: they lie elsewhere. By the paths as they are
 * written and without symbolic links: each way that leads to a backup counts.
 */
export async function backupsWithin({
  storage,
  backupDirectory,
}: Kept): Promise<readonly string[]> {
  if (backupDirectory === undefined) return ['backups'];
  const [home, parent, place] = await Promise.all(
    [storage, dirname(resolve(backupDirectory)), backupDirectory].map(realPathOf),
  );
  const pairs = [
    [resolve(storage), resolve(backupDirectory)],
    [home, join(parent ?? '', basename(backupDirectory))],
    [home, place],
  ] as const;
  return [...new Set(pairs.flatMap(([from = '', to = '']) => entryOf(relative(from, to))))];
}

function entryOf(path: string): readonly string[] {
  const [name = ''] = path.split(sep);
  return name === '' || name === '..' || isAbsolute(path) ? [] : [name];
}

/** Not the service's: Leafward's own files, its backups, and what a new file system begins with. */
function isKeptName(name: string, backups: readonly string[]): boolean {
  return name.startsWith('.leafward') || name === 'lost+found' || backups.includes(name);
}

/** @throws LeafwardError `refused` where backups lie among the data, so that nothing tells one from the other (I13). */
export async function refuseBackupsAmidData({ storage, backupDirectory }: Kept): Promise<void> {
  if (backupDirectory === undefined) return;
  const [home, place] = await Promise.all([storage, backupDirectory].map(realPathOf));
  if (home !== place) return;
  throw new LeafwardError(
    'refused',
    `empty ${storage}: its backups lie right in it, among its data; move them into a directory of their ` +
      'own and name that as backupDirectory (I13)',
  );
}

/** True when there is no such directory, too. @throws what the system says of one that cannot be read. */
export async function isEmptyStorage(spec: Kept): Promise<boolean> {
  const backups = await backupsWithin(spec);
  try {
    for await (const { name } of await opendir(spec.storage))
      if (!isKeptName(name, backups)) return false;
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw error;
  }
}

/**
 * Nothing is lost by looking: file systems that are mounted below a storage, which neither a rename nor a removal of
 * what lies above them treats as part of it. @throws LeafwardError `refused`.
 */
export async function refuseMountsBelow(
  { storage }: Kept,
  keeps: (name: string) => boolean,
): Promise<void> {
  const home = await realPathOf(storage);
  const found = parseMounts(await readFile('/proc/self/mountinfo', 'utf8'))
    .map(({ path }) => path)
    .filter((path) => path !== home && isWithin(path, home))
    .filter((path) => !entryOf(relative(home, path)).some(keeps));
  if (found.length === 0) return;
  throw new LeafwardError(
    'refused',
    `empty ${storage}: ${found.join(', ')} is mounted in it and can neither be moved nor removed with it; ` +
      'nothing was touched. Mount the volume as the storage itself, or empty it by hand',
    { retry: 'later' },
  );
}

/** Removes everything of the service. Its marker must forbid a start before (retired, or seeding). Idempotent. */
export async function wipeStorage(spec: Kept, signal: AbortSignal): Promise<void> {
  await refuseBackupsAmidData(spec);
  const backups = await backupsWithin(spec);
  await refuseMountsBelow(spec, (name) => isKeptName(name, backups));
  const names = await readdir(spec.storage);
  for (const name of names.filter((one) => !isKeptName(one, backups))) {
    if (signal.aborted)
      throw new LeafwardError('aborted', `empty ${spec.storage}: stopped by the caller`);
    await rm(join(spec.storage, name), { recursive: true, force: true });
  }
  await syncDirectory(spec.storage);
}
