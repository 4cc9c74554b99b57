// A live backup with a manifest of its files. Must not begin without the room for it (I7), nor leave anything but a
// whole backup.
import { join } from 'node:path';
import type { Backup, MemberIntent } from '@leafward/shared/gen/domain.js';
import { refuseOpenPlace } from '../../backups/access.js';
import { backupDirectoryOf } from '../../backups/place.js';
import { createStillWritten } from '../../backups/still-written.js';
import { engineMember } from '../../engines/engine-member.js';
import type { Result } from '../../requests.js';
import { makeRoom } from './make-room.js';
import { intentOf, type Kind, type Turn } from './parts.js';

/** @throws LeafwardError `exhausted` with the figures, `refused` for an open place, what the engine throws. */
export async function backUp(request: Kind<'run-backup'>, turn: Turn): Promise<Result> {
  const { parts, onProgress, signal } = turn;
  const intent = intentOf(request, parts);
  const directory = backupDirectoryOf(intent.spec);
  const startedAt = parts.clock.now();
  await refuseOpenPlace(`back up ${request.member}`, directory);
  onProgress('reckoning the room that it needs');
  await makeRoom(intent, turn);
  const fact = await parts.engineOf(intent).observe(engineMember(intent), signal);
  const { name } = request;
  const { member, service } = intent;
  const path = join(directory, name);
  await parts.catalogue.begin({ service, member, name, path });
  try {
    const backup = await take(request, { intent, fact, startedAt }, turn);
    return { backup, position: backup.position };
  } catch (error) {
    parts.catalogue.giveUp(path);
    await cleanUpBackup(directory, turn);
    throw error;
  }
}

interface Begun {
  readonly intent: MemberIntent;
  readonly fact: Pick<Backup, 'position' | 'version' | 'iden'>;
  readonly startedAt: number;
}

async function take(
  { name, databaseBackup, scheduledFor }: Kind<'run-backup'>,
  { intent, fact, startedAt }: Begun,
  { parts, onProgress, signal }: Turn,
): Promise<Backup> {
  const options = { name, databaseBackup, onProgress };
  const made = await parts.engineOf(intent).backup(engineMember(intent), options, signal);
  return parts.catalogue.add(
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
}

/** What is left after it, because the service still writes or the agent ends, is taken away later. */
export async function cleanUpBackup(
  directory: string,
  { parts, onProgress, signal }: Turn,
): Promise<void> {
  if (signal.aborted) return;
  const isWritten = createStillWritten(parts, signal);
  try {
    await parts.catalogue.clean({ directories: [directory], isWritten }, signal);
  } catch {
    onProgress(`half a backup may be left in ${directory} for a while`);
  }
}
