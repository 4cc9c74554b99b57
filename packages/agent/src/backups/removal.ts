// How a backup leaves, and what a crash in it leaves is finished later: its record goes first, in one rename that is
// durable, then its files under a hidden name, then its manifest. A crash leaves it whole, or none and rubbish.
import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, realpath, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Backup } from '@leafward/shared/gen/domain.js';
import { syncDirectory } from '../journal.js';
import {
  isHalfWritten,
  MANIFEST_SUFFIX,
  RECORD_SUFFIX,
  REMOVED_PREFIX,
  writeDurably,
} from './beside.js';
import { deleteEntry, entryOf, isEntry, openDirectory, openHomeOf } from './delete-tree.js';
import { assertBackupName } from './place.js';

/** The record under another name: says what was removed until all of it is gone. */
const TOMBSTONE_PREFIX = '.leafward-removing-';
const tombstoneOf = (name: string): string => `${TOMBSTONE_PREFIX}${name}`;

/**
 * From its return on it is none any more, and no crash brings it back. `copyPath` is the agent's own copy of its record.
 * @throws LeafwardError `refused` or `invalid` for what is no directory of such a name; what the system says.
 */
export async function takeRecordAway(backup: Backup, copyPath: string | undefined): Promise<void> {
  const name = basename(backup.path);
  assertBackupName(name);
  const home = await openHomeOf(backup.path);
  try {
    await requireDirectory(home, name, backup.path);
    const record = entryOf(home, `${name}${RECORD_SUFFIX}`);
    const tombstone = entryOf(home, tombstoneOf(name));
    if (await isEntry(record)) {
      // Its copy first: what counts must not come back by it. Until the rename it is whole.
      if (copyPath !== undefined) await removeDurably(copyPath);
      await rename(record, tombstone);
      await home.sync();
    } else {
      await writeDurably(join(dirname(backup.path), tombstoneOf(name)), JSON.stringify(backup));
      if (copyPath !== undefined) await removeDurably(copyPath);
    }
  } finally {
    await home.close();
  }
}

/** @throws LeafwardError `refused` for a backup that lies right in none of `directories`, wherever links lead. */
export async function refuseOutside(path: string, directories: readonly string[]): Promise<void> {
  const home = await realpath(dirname(path));
  const places = directories.map((one) => realpath(one).catch(() => undefined));
  if ((await Promise.all(places)).includes(home)) return;
  throw new LeafwardError(
    'refused',
    `remove the backup ${path}: it does not lie where backups of its service lie on this host; remove it by hand`,
  );
}

/** The rest of it. @throws LeafwardError `aborted`; what the system says: then it is finished by a sweep. */
export async function takeFilesAway(path: string, signal: AbortSignal): Promise<void> {
  const home = await openHomeOf(path);
  try {
    await finish(home, basename(path), signal);
  } finally {
    await home.close();
  }
}

export interface SweepQuestion {
  /** Of a backup by its name in that directory: it is whole. */
  readonly isKnown: (name: string) => boolean;
  /** Of a file beside a backup: it is being written now. */
  readonly isWriting: (path: string) => boolean;
}

/** Finishes removals that were cut in a directory, and takes away what cut writes left there. How many there were. */
export async function sweepDirectory(
  directory: string,
  { isKnown, isWriting }: SweepQuestion,
  signal: AbortSignal,
): Promise<number> {
  const names = await readdir(directory).catch(() => []);
  const rubbish = names.filter(
    (one) =>
      one.startsWith(REMOVED_PREFIX) || one.startsWith(TOMBSTONE_PREFIX) || isHalfWritten(one),
  );
  if (rubbish.length === 0) return 0;
  const home = await openDirectory(await realpath(directory));
  try {
    for (const name of rubbish) {
      if (isHalfWritten(name)) {
        const path = join(directory, name.slice(0, -'.new'.length));
        if (!isWriting(path)) await rm(entryOf(home, name), { force: true });
      } else if (name.startsWith(REMOVED_PREFIX)) await deleteEntry(home, name, signal);
      else await finishFrom(home, name, isKnown, signal);
    }
    await home.sync();
  } finally {
    await home.close();
  }
  return rubbish.length;
}

/** Takes away what lies under that name in an open directory. Nothing there is no error. */
export async function removeEntry(
  home: FileHandle,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const hidden = `${REMOVED_PREFIX}${name}`;
  if (await isEntry(entryOf(home, name))) {
    await deleteEntry(home, hidden, signal); // of an earlier one of that name
    await rename(entryOf(home, name), entryOf(home, hidden));
    await home.sync();
  }
  await deleteEntry(home, hidden, signal);
}

async function finish(home: FileHandle, name: string, signal: AbortSignal): Promise<void> {
  await removeEntry(home, name, signal);
  await rm(entryOf(home, `${name}${MANIFEST_SUFFIX}`), { force: true });
  await home.sync();
  await rm(entryOf(home, tombstoneOf(name)), { force: true });
}

async function finishFrom(
  home: FileHandle,
  tombstone: string,
  isKnown: (name: string) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const name = tombstone.slice(TOMBSTONE_PREFIX.length);
  const isBack =
    name === '' || isKnown(name) || (await isEntry(entryOf(home, `${name}${RECORD_SUFFIX}`)));
  // Cut before it was gone, or another one has the name by now: neither is to be removed.
  if (isBack || !(await isOfTombstone(home, { name, tombstone })))
    await rm(entryOf(home, tombstone), { force: true });
  else await finish(home, name, signal);
}

/** The files under that name, if there are any, are those that the tombstone was written for. */
async function isOfTombstone(
  home: FileHandle,
  { name, tombstone }: { readonly name: string; readonly tombstone: string },
): Promise<boolean> {
  if (!(await isEntry(entryOf(home, name)))) return true;
  try {
    const text = await readFile(entryOf(home, tombstone), 'utf8');
    const { manifestSha256 } = JSON.parse(text) as { readonly manifestSha256?: unknown };
    const manifest = await readFile(entryOf(home, `${name}${MANIFEST_SUFFIX}`));
    return createHash('sha256').update(manifest).digest('hex') === manifestSha256;
  } catch {
    return false;
  }
}

async function requireDirectory(home: FileHandle, name: string, path: string): Promise<void> {
  const found = await lstat(entryOf(home, name));
  if (found.isDirectory()) return;
  throw new LeafwardError(
    'refused',
    `remove the backup ${path}: it is no directory; look what it is, and remove it by hand`,
  );
}

async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path));
}
