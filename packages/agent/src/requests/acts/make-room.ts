// Whether one more backup fits (I7), and the room that the rules of keep make for it: backups go before their time only
// where that makes it fit, and nothing is begun that does not.
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { KeepVerdict, MemberIntent } from '@leafward/shared/gen/domain.js';
import { judgeService, removeJudged, type Judged } from '../../backups/keep.js';
import { backupDirectoryOf, nearestExisting } from '../../backups/place.js';
import { engineMember } from '../../engines/engine-member.js';
import type { BackupRoom } from '../../engines/engine.js';
import { megabytes } from '../../megabytes.js';
import type { Turn } from './parts.js';

/** @throws LeafwardError `exhausted` with the figures and what would help. */
export async function makeRoom(intent: MemberIntent, turn: Turn): Promise<void> {
  const { parts, onProgress, signal } = turn;
  const engine = parts.engineOf(intent);
  const reckon = (): Promise<BackupRoom> => engine.backupRoom(engineMember(intent), signal);
  const room = await reckon();
  if (missing(room) <= 0) return;
  const judged = await judgeService(intent.service, parts);
  const freedBytes = judged === undefined ? 0 : await freedFor(intent, judged);
  // What lies in the service's own directory is counted twice: it is free then, and not needed any more.
  const gainBytes = freedBytes + (room.countsKept === true ? freedBytes : 0);
  if (judged === undefined || freedBytes === 0 || gainBytes < missing(room))
    throw exhausted(intent, room, freedBytes);
  onProgress(`removing backups that the rules of keep let go: ${megabytes(freedBytes)}`);
  await removeJudged(judged, parts, ({ name }) => onProgress(`removed ${name}`), signal);
  const after = await reckon();
  if (missing(after) > 0) throw exhausted(intent, after, 0);
}

const missing = ({ needBytes, freeBytes }: BackupRoom): number => needBytes - freeBytes;

/** What goes on the volume that the backup will lie on. */
async function freedFor(intent: MemberIntent, { verdicts }: Judged): Promise<number> {
  const { dev } = await stat(await nearestExisting(backupDirectoryOf(intent.spec)));
  const isThere = async ({ path }: KeepVerdict): Promise<boolean> =>
    (await stat(dirname(path)).catch(() => undefined))?.dev === dev;
  let freedBytes = 0;
  for (const verdict of verdicts)
    if (!verdict.keeps && (await isThere(verdict))) freedBytes += verdict.sizeBytes;
  return freedBytes;
}

function exhausted(
  { member, service }: MemberIntent,
  room: BackupRoom,
  freedBytes: number,
): LeafwardError {
  const keep =
    freedBytes === 0
      ? ''
      : `${megabytes(freedBytes)} would be freed by the rules of keep, which is not enough: leafward backup prune ${service}; `;
  return new LeafwardError(
    'exhausted',
    `back up ${member}: it needs ${megabytes(room.needBytes)} and ` +
      `${megabytes(room.freeBytes)} are free (${room.rule}); ${keep}free some space or give it another ` +
      'backup directory (I7)',
    { retry: 'later' },
  );
}
