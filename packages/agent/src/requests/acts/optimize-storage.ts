// A stopped member's databases are made compact, or it is told to do so itself at its next start. A crash anywhere leaves
// its storage whole.
import { statfs } from 'node:fs/promises';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Care } from '../../engines/care.js';
import { engineMember } from '../../engines/engine-member.js';
import { megabytes } from '../../megabytes.js';
import type { Result } from '../../requests.js';
import { untilAtRest } from './at-rest.js';
import { refuseUnfit, type Kind, type Turn } from './parts.js';

/** What a service wants free to start (Synapse ≥ 2.119, limit:disk:free). */
const BOOT_FREE_SHARE = 0.05;

/** @throws LeafwardError `refused`, `exhausted` with figures, what the engine throws. */
export async function optimizeStorage(
  request: Kind<'optimize-storage'>,
  turn: Turn,
): Promise<Result> {
  const { parts, onProgress, signal } = turn;
  const isClear = request.way === 'clear';
  const intent = await refuseUnfit(request, { run: isClear ? 'running' : 'stopped' }, parts);
  const { care } = parts.engineOf(intent);
  const member = engineMember(intent);
  const atBoot = care?.optimizeAtBoot;
  const compact = care?.compact;
  if (isClear) {
    await atBoot?.(member, false);
    return { message: 'its next start is a plain one' };
  }
  const what = `optimize ${request.member}`;
  await untilAtRest(what, intent, turn);
  if (request.way === 'swap' && compact !== undefined)
    return { message: await compact(member, { onProgress }, signal) };
  if (request.way === 'swap' || atBoot === undefined)
    throw new LeafwardError('refused', `${what}: its kind has no way to ${request.way}`);
  await requireRoom(what, intent, care?.largestDatabaseBytes, turn);
  await atBoot(member, true);
  return { message: 'it was told to optimize at its start' };
}

/** It copies one database after the other, once it has started. */
async function requireRoom(
  what: string,
  intent: MemberIntent,
  largest: Care['largestDatabaseBytes'],
  { signal }: Turn,
): Promise<void> {
  const { bavail, bsize, blocks } = await statfs(intent.spec.storage);
  const bytes = (await largest?.(engineMember(intent), signal)) ?? 0;
  const needBytes = bytes + blocks * bsize * BOOT_FREE_SHARE;
  if (bavail * bsize >= needBytes) return;
  throw new LeafwardError(
    'exhausted',
    `${what}: ${megabytes(bavail * bsize)} are free, its largest database takes ${megabytes(bytes)} and it wants 5 % of its volume free to start: ${megabytes(needBytes)}; free some space (I7)`,
    { retry: 'later' },
  );
}
