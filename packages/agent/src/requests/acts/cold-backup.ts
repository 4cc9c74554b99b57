// A backup of a stopped member by its offline tool, with a manifest of its files like any other. Must not begin without
// the room for it (I7), nor leave anything but a whole backup; the member's own storage is only read.
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import { refuseOpenPlace } from '../../backups/access.js';
import { assertBackupName, backupDirectoryOf } from '../../backups/place.js';
import { engineMember } from '../../engines/engine-member.js';
import type { Result } from '../../requests.js';
import { untilAtRest } from './at-rest.js';
import { cleanUpBackup } from './back-up.js';
import { makeRoom } from './make-room.js';
import { refuseUnfit, type Kind, type Turn } from './parts.js';

/** @throws LeafwardError `refused`, `exhausted` with the figures, what the engine throws. */
export async function coldBackup(request: Kind<'cold-backup'>, turn: Turn): Promise<Result> {
  const { parts, onProgress, signal } = turn;
  const intent = await refuseUnfit(request, { run: 'stopped' }, parts);
  const { member, name, position, version, iden } = request;
  const { service, spec, term } = intent;
  const what = `back up ${member}, stopped`;
  assertBackupName(name);
  const take = parts.engineOf(intent).care?.coldBackup;
  if (take === undefined)
    throw new LeafwardError('refused', `${what}: its kind has no offline tool`);
  const directory = backupDirectoryOf(spec);
  const startedAt = parts.clock.now();
  await refuseOpenPlace(what, directory);
  await untilAtRest(what, intent, turn);
  onProgress('reckoning the room that it needs');
  await makeRoom(intent, turn);
  const path = join(directory, name);
  await parts.catalogue.begin({ service, member, name, path });
  try {
    await take(engineMember(intent), { path, onProgress }, signal);
    const { host } = parts;
    const made = { name, service, member, host, path, position, version, iden, term, startedAt };
    const backup = await parts.catalogue.add(made, onProgress, signal);
    return { backup, position };
  } catch (error) {
    parts.catalogue.giveUp(path);
    await cleanUpBackup(directory, turn);
    throw error;
  }
}
