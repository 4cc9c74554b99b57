// Rule: a service uses at most half of its volume, so that a backup of it fits beside it. Pure but
// for statfs.
import type { Check, CheckContext, CheckResult } from './check.js';
import { formatBytes, formatPercent } from './figures.js';
import { backupDirectoryOf, judgeStorages, type StorageRoom } from './free-space.js';
import { readVolume } from './volumes.js';

const LIMIT = 0.5;
const FIX =
  'grow the volume, move kept backups elsewhere, or give backups a volume of their own (backup directory)';

export const freeSpaceGuide: Check = {
  id: 'free-space-guide',
  why: 'A backup may take as much room as the service itself and is made beside it: services should not exceed 50 % of their volume (devops guide, “Generating a Backup”, note)',
  source: 'devops guide, Generating a Backup',
  fixable: false,
  run: async (context, signal) => {
    const sums = new Map<string, number>();
    const rooms: StorageRoom[] = [];
    const failed = await judgeStorages(context, signal, (room) => {
      rooms.push(room);
      sums.set(room.volume.device, (sums.get(room.volume.device) ?? 0) + (room.dataBytes ?? 0));
      return { subject: room.path, severity: 'ok', seen: '', wanted: '', fix: '' };
    });
    const judged = await Promise.all(
      rooms.map((room) => judge(room, sums.get(room.volume.device) ?? 0, context, signal)),
    );
    return [...judged, ...failed.filter(({ severity }) => severity === 'unknown')];
  },
};

async function judge(
  room: StorageRoom,
  sumBytes: number,
  context: CheckContext,
  signal: AbortSignal,
): Promise<CheckResult> {
  const { volume, path, dataBytes } = room;
  const wanted = `data ≤ ${formatBytes(volume.totalBytes * LIMIT)} (50 % of the volume’s ${formatBytes(volume.totalBytes)})`;
  if (await hasOwnBackupVolume(room, context, signal)) {
    return {
      subject: path,
      severity: 'ok',
      seen: 'backups go to another volume',
      wanted: 'no limit by this rule',
      fix: '',
    };
  }
  const usedFraction = volume.usedBytes / Math.max(1, volume.totalBytes);
  if (dataBytes === undefined) {
    const known = usedFraction <= LIMIT;
    return {
      subject: path,
      severity: known ? 'ok' : 'unknown',
      seen: `data not measured yet; the whole volume is ${formatPercent(usedFraction)} full`,
      wanted,
      fix: known ? '' : 'wait until the data was measured',
    };
  }
  const fraction = sumBytes / Math.max(1, volume.totalBytes);
  const others = sumBytes > dataBytes ? `, ${formatBytes(sumBytes)} with other members on it` : '';
  return {
    subject: path,
    severity: fraction > LIMIT ? 'warning' : 'ok',
    seen: `data ${formatBytes(dataBytes)}${others}: ${formatPercent(fraction)} of the volume`,
    wanted,
    fix: fraction > LIMIT ? FIX : '',
  };
}

async function hasOwnBackupVolume(
  room: StorageRoom,
  context: CheckContext,
  signal: AbortSignal,
): Promise<boolean> {
  const directories = await Promise.all(room.members.map(backupDirectoryOf));
  for (const directory of directories) {
    if (directory === undefined) return false;
    const volume = await readVolume(context.roots, directory, signal);
    if (volume.device === room.volume.device) return false;
  }
  return true;
}
