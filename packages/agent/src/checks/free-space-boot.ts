// Rule: the volume has the room below which the service refuses to start. Pure but for statfs.
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Check, CheckResult } from './check.js';
import { formatBytes, formatPercent } from './figures.js';
import { judgeStorages, readCellOption, type StorageRoom } from './free-space.js';
import { coerceVersion, isAtLeast } from './versions.js';

const DEFAULT_LIMIT_PERCENT = 5;
/** Warn at twice the limit: a live backup or a migration takes the rest in minutes. */
const WARN_FACTOR = 2;
const FIRST_WITH_LIMIT = [2, 119, 0] as const;

export const freeSpaceBoot: Check = {
  id: 'free-space-boot',
  why: 'From 2.119 a cell refuses to start with less than limit:disk:free (5 %) and is read-only when it falls below; older ones run into a full disk',
  source: 'Synapse cell option limit:disk:free (2.119)',
  fixable: false,
  run: async (context, signal) => await judgeStorages(context, signal, judge),
};

async function judge({ path, members, volume }: StorageRoom): Promise<CheckResult> {
  const limits = await Promise.all(members.map(limitOf));
  const limit = Math.max(...limits.map(({ fraction }) => fraction));
  const guarded = limits.some(({ refuses }) => refuses);
  const free = volume.freeBytes / Math.max(1, volume.totalBytes);
  const severity =
    free < limit
      ? guarded
        ? 'critical'
        : 'warning'
      : free < limit * WARN_FACTOR
        ? 'warning'
        : 'ok';
  const consequence = guarded
    ? 'below it the service does not start and is read-only'
    : 'this version or kind does not guard itself: it fails when the disk is full';
  return {
    subject: path,
    severity,
    seen: `${formatBytes(volume.freeBytes)} of ${formatBytes(volume.totalBytes)} free (${formatPercent(free)})`,
    wanted: `more than ${formatPercent(limit * WARN_FACTOR)}; limit ${formatPercent(limit)}: ${consequence}`,
    fix:
      severity === 'ok'
        ? ''
        : `free ${formatBytes(Math.max(0, limit * WARN_FACTOR * volume.totalBytes - volume.freeBytes))} or grow the volume, before the next start`,
  };
}

async function limitOf(
  member: MemberIntent,
): Promise<{ readonly fraction: number; readonly refuses: boolean }> {
  if (member.spec.kind !== 'synapse')
    return { fraction: DEFAULT_LIMIT_PERCENT / 100, refuses: false };
  const option = await readCellOption(member, 'limit:disk:free');
  const configured =
    typeof option === 'number' || typeof option === 'string' ? Number(option) : NaN;
  const percent =
    Number.isFinite(configured) && configured >= 0 ? configured : DEFAULT_LIMIT_PERCENT;
  const version = coerceVersion(member.spec.image.version);
  const refuses = version === undefined || isAtLeast(version, FIRST_WITH_LIMIT);
  return { fraction: percent / 100, refuses };
}
