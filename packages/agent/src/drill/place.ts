// Where a copy of a backup is tried out, and whether there is room for it. Must never begin where there is not.
import { access, constants, realpath, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Backup, MemberSpec } from '@leafward/shared/gen/domain.js';
import { backupDirectoryOf } from '../backups/place.js';
import { isWithin } from '../checks/mounts.js';
import { megabytes } from '../megabytes.js';

/** What a service writes of its own while it starts, and room for its migration. */
const GROWTH = 0.1;
/** Synapse does not start below 5 % of its volume (limit:disk:free); nobody beside the drill is to come near that. */
const RESERVE = 0.05;

interface Room {
  readonly directory: string;
  readonly needBytes: number;
  readonly freeBytes: number;
}

/** A directory to make the drill's own in. @throws LeafwardError `exhausted` with the figures of each place. */
export async function findRoom(
  backup: Pick<Backup, 'name' | 'path' | 'sizeBytes'>,
  spec: MemberSpec,
): Promise<string> {
  const rooms: Room[] = [];
  for (const directory of await candidates(backup.path, spec)) {
    const room = await roomIn(directory, backup.sizeBytes);
    if (room.freeBytes >= room.needBytes) return room.directory;
    rooms.push(room);
  }
  const figures = rooms.map(
    ({ directory, needBytes, freeBytes }) =>
      `${directory} has ${megabytes(freeBytes)} free and it needs ${megabytes(needBytes)}`,
  );
  throw new LeafwardError(
    'exhausted',
    `drill ${backup.name}: no room for a copy: ${figures.join('; ')} (its data, a tenth more, and ` +
      'a twentieth of the volume that stays free); free some space (I7)',
    { retry: 'later' },
  );
}

/** Where blocks can be shared with the backup comes first; a storage is renamed and emptied, so beside it, not in it. */
async function candidates(backupPath: string, spec: MemberSpec): Promise<readonly string[]> {
  const storage = await realpath(spec.storage).catch(() => spec.storage);
  const near = await realpath(dirname(backupPath));
  const set = await realpath(backupDirectoryOf(spec)).catch(() => near);
  const beside = dirname(storage);
  const device = (await stat(near)).dev;
  const found: { readonly path: string; readonly rank: number }[] = [];
  for (const path of new Set([near, set, beside])) {
    const about = await stat(path).catch(() => undefined);
    if (about === undefined || !(await isWritable(path))) continue;
    found.push({ path, rank: (about.dev === device ? 0 : 2) + (isWithin(path, storage) ? 1 : 0) });
  }
  return found.sort((a, b) => a.rank - b.rank).map(({ path }) => path);
}

async function roomIn(directory: string, sizeBytes: number): Promise<Room> {
  const { bavail, blocks, bsize } = await statfs(directory);
  const needBytes = Math.ceil(sizeBytes * (1 + GROWTH) + blocks * bsize * RESERVE);
  return { directory, needBytes, freeBytes: bavail * bsize };
}

async function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** What a drill calls its directory below that. */
export const drillPath = (directory: string, id: string): string =>
  join(directory, `.leafward-drill-${id}`);
