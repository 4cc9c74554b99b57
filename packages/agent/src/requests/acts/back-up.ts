// A live backup with a manifest of its files. Must not begin without the room for it (I7).
import { LeafwardError } from '@leafward/shared/errors.js';
import { engineMember } from '../../engines/engine-member.js';
import type { Result } from '../../requests.js';
import { intentOf, megabytes, type Kind, type Turn } from './parts.js';

/** @throws LeafwardError `exhausted` with the figures, what the engine throws. */
export async function backUp(request: Kind<'run-backup'>, turn: Turn): Promise<Result> {
  const { parts, onProgress, signal } = turn;
  const intent = intentOf(request, parts);
  const member = engineMember(intent);
  const engine = parts.engineOf(intent);
  const startedAt = parts.clock.now();
  onProgress('reckoning the room that it needs');
  const room = await engine.backupRoom(member, signal);
  if (room.freeBytes < room.needBytes)
    throw new LeafwardError(
      'exhausted',
      `back up ${request.member}: it needs ${megabytes(room.needBytes)} and ` +
        `${megabytes(room.freeBytes)} are free (${room.rule}); free some space or give it another ` +
        'backup directory (I7)',
      { retry: 'later' },
    );
  const fact = await engine.observe(member, signal);
  const { name, databaseBackup, scheduledFor } = request;
  const made = await engine.backup(member, { name, databaseBackup, onProgress }, signal);
  const backup = await parts.catalogue.add(
    {
      name,
      service: intent.service,
      member: intent.member,
      host: parts.host,
      path: made.path,
      position: made.position ?? fact.position,
      version: fact.version,
      iden: fact.iden,
      databaseBackup,
      scheduledFor,
      term: intent.term,
      startedAt,
    },
    onProgress,
    signal,
  );
  return { backup, position: backup.position };
}
