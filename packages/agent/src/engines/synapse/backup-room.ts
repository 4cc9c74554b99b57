// Whether one more live backup fits: the service's own rule by its version, and the guide's 50 % rule.
import { stat, statfs } from 'node:fs/promises';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';
import { allocatedBytes } from '../../backups/allocated-bytes.js';
import { backupDirectoryOf, dataBytesOf, nearestExisting } from '../../backups/place.js';
import type { BackupRoom } from '../engine.js';
import { FREE_SPACE_LIMIT, isAtLeast } from './version.js';

/** Part of the volume that a cell with a boot limit keeps free: default of its `limit:disk:free`. */
const FREE_FRACTION = 0.05;

/**
 * Need = allocated bytes of the whole service directory, kept backups in it included, plus 5 % of the volume
 * when the backups lie on the service's own (source: the check of 2.250). Before 2.119 the service checks
 * nothing: as many bytes as the data has, the guide's rule that data take half of their volume at most. The
 * first covers the second. An unknown version is taken for a new one.
 */
export async function backupRoom(
  spec: MemberSpec,
  version: string | undefined,
  signal: AbortSignal,
): Promise<BackupRoom> {
  const place = await nearestExisting(backupDirectoryOf(spec));
  const [storage, target, volume] = await Promise.all([
    stat(spec.storage).catch((error: unknown) => {
      throw new LeafwardError('not-found', `no storage at ${spec.storage}`, { cause: error });
    }),
    stat(place),
    statfs(place),
  ]);
  const freeBytes = volume.bavail * volume.bsize;
  const totalBytes = volume.blocks * volume.bsize;
  if (isAtLeast(version, FREE_SPACE_LIMIT) === false) {
    const needBytes = await dataBytesOf(spec, signal);
    const rule = `${needBytes} bytes of data once more (the guide's 50 % rule; ${version} checks nothing itself)`;
    return { needBytes, freeBytes, rule };
  }
  const wholeBytes = await allocatedBytes(spec.storage, signal);
  const sameVolume = storage.dev === target.dev;
  const reserveBytes = sameVolume ? Math.ceil(totalBytes * FREE_FRACTION) : 0;
  const reserve = sameVolume
    ? ` + ${reserveBytes} bytes, 5 % of the volume of ${totalBytes} that it shares`
    : ', on a volume of its own';
  const rule = `${wholeBytes} bytes of the whole service directory, kept backups included${reserve}`;
  const countsKept = backupDirectoryOf(spec).startsWith(`${spec.storage}/`);
  return { needBytes: wholeBytes + reserveBytes, freeBytes, rule, countsKept };
}
