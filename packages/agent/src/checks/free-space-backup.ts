// Rule: one more live backup fits, by the service's own formula. Pure but for statfs.
import type { Check, CheckContext, CheckResult } from './check.js';
import { formatBytes } from './figures.js';
import { backupDirectoryOf, judgeStorages, type StorageRoom } from './free-space.js';
import { readVolume } from './volumes.js';

/** What must stay free on the storage's own volume: its boot limit. */
const KEPT_FREE = 0.05;

export const freeSpaceBackup: Check = {
  id: 'free-space-backup',
  why: 'A live backup is refused, or by old versions left half done, when it does not fit; without a backup there is no update (devops guide, “Generating a Backup”)',
  source:
    'the service’s own rule: size of its directory, kept backups included, plus 5 % of the volume when it is the storage’s own (Synapse 2.250)',
  fixable: false,
  run: async (context, signal) =>
    await judgeStorages(context, signal, (room) => judge(room, context, signal)),
};

async function judge(
  room: StorageRoom,
  context: CheckContext,
  signal: AbortSignal,
): Promise<CheckResult> {
  const { path, dataBytes } = room;
  const directory = (await Promise.all(room.members.map(backupDirectoryOf))).find(
    (found) => found !== undefined,
  );
  const target =
    directory === undefined ? room.volume : await readVolume(context.roots, directory, signal);
  const shared = target.device === room.volume.device;
  const reserveBytes = shared ? target.totalBytes * KEPT_FREE : 0;
  const seen = `${formatBytes(target.freeBytes)} free at ${directory ?? path}`;
  if (dataBytes === undefined) {
    return {
      subject: path,
      severity: 'unknown',
      seen: `${seen}; data not measured yet`,
      wanted: 'the size of the data and 5 % of a shared volume',
      fix: 'wait until the data was measured',
    };
  }
  const needBytes = dataBytes + reserveBytes;
  const fits = target.freeBytes >= needBytes;
  return {
    subject: path,
    severity: fits ? 'ok' : 'critical',
    seen,
    wanted: `${formatBytes(needBytes)} (data ${formatBytes(dataBytes)}${shared ? `, 5 % of the volume ${formatBytes(reserveBytes)}` : ''})`,
    fix: fits
      ? ''
      : `free ${formatBytes(needBytes - target.freeBytes)}: move kept backups elsewhere, trim, or grow the volume`,
  };
}
