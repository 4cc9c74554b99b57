// Makes a stopped cell's databases compact: the offline tool copies them, and each copy takes the place of its original
// by a rename, as a cell that optimizes at boot does it. Every database is whole at every instant, and means the same
// before and after, so that a crash anywhere leaves a cell that starts.
import { chmod, chown, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import { backupDirectoryOf, dataBytesOf } from '../../../backups/place.js';
import { syncTree } from '../../../backups/sync-tree.js';
import { syncDirectory } from '../../../journal.js';
import { megabytes } from '../../../megabytes.js';
import type { EngineMember, EngineParts } from '../../engine.js';
import { databasesIn, type Database } from './databases.js';
import { copyCell } from './offline-tool.js';

/** Below what a cell empties at each start, and what its tool does not copy. */
const PLACE = 'tmp/leafward-compact';

export async function compact(
  parts: EngineParts | undefined,
  member: EngineMember,
  onProgress: (text: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const { spec } = member;
  const copy = join(spec.storage, PLACE);
  const backups = [backupDirectoryOf(spec)];
  await rm(copy, { recursive: true, force: true });
  await requireRoom(member, signal);
  const before = await databasesIn(spec.storage, backups, signal);
  try {
    onProgress(`copying ${before.length} databases, ${megabytes(sum(before))}`);
    await copyCell(parts, member, copy, signal);
    const copies = await databasesIn(copy, [], signal);
    requireAll(member, before, copies);
    onProgress('waiting for the disk');
    await syncTree(copy, signal);
    onProgress('putting the copies in place');
    for (const { path } of before) await swap(spec.storage, copy, path);
    return `its databases took ${megabytes(sum(before))} and take ${megabytes(sum(copies))}`;
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

const sum = (databases: readonly Database[]): number =>
  databases.reduce((total, { bytes }) => total + bytes, 0);

async function requireRoom({ member, spec }: EngineMember, signal: AbortSignal): Promise<void> {
  const needBytes = await dataBytesOf(spec, signal);
  const { bavail, bsize } = await statfs(spec.storage);
  if (bavail * bsize >= needBytes) return;
  throw new LeafwardError(
    'exhausted',
    `optimize ${member}: ${megabytes(needBytes)} are copied and ${megabytes(bavail * bsize)} are free; free some space (I7)`,
    { retry: 'later' },
  );
}

/** One that lacks would stay as it is; that it lacks says that the copy is not to be believed. */
function requireAll(
  { member }: EngineMember,
  before: readonly Database[],
  copies: readonly Database[],
): void {
  const copied = new Map(copies.map(({ path, bytes }) => [path, bytes]));
  const lacking = before.filter(({ path }) => (copied.get(path) ?? 0) === 0);
  if (lacking.length === 0) return;
  throw new LeafwardError(
    'failed',
    `optimize ${member}: its tool left out ${lacking[0]?.path ?? ''}${lacking.length > 1 ? ` and ${lacking.length - 1} more` : ''}; nothing was replaced`,
  );
}

async function swap(storage: string, copy: string, path: string): Promise<void> {
  const [from, to] = [join(copy, path), join(storage, path)];
  const { uid, gid, mode } = await stat(to);
  if (process.getuid?.() === 0) await chown(from, uid, gid);
  await chmod(from, mode & 0o777);
  await rename(from, to);
  await syncDirectory(dirname(to));
}
