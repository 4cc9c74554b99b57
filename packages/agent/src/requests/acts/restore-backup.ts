// A stopped member goes back to a backup of its host and will lead with it, in a term of its own. What lies there is set
// aside or wiped first. Once that has begun only its end makes sense, so an agent that died in it goes on.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Backup, MemberIntent } from '@leafward/shared/gen/domain.js';
import { backupNamed } from '../../backups/backup-named.js';
import { whileHeld } from '../../backups/pins.js';
import { emptyStorage } from '../../empty-storage.js';
import { engineMember } from '../../engines/engine-member.js';
import { readMarker, realPathOf, writeMarker, type Marker } from '../../marker.js';
import type { Result } from '../../requests.js';
import { ownerOf } from '../../runtimes/process/user.js';
import { wipeStorage } from '../../storage-content.js';
import { untilAtRest } from './at-rest.js';
import { refuseUnfit, type Kind, type Turn } from './parts.js';

type Restore = Kind<'restore-backup'>;

/** @throws LeafwardError `refused`, `exhausted` with figures, `not-found`, what the engine throws. */
export async function restoreBackup(request: Restore, turn: Turn): Promise<Result> {
  const { parts } = turn;
  const intent = await refuseUnfit(request, { run: 'stopped' }, parts);
  const what = `restore ${request.member}`;
  const meant = { what, name: request.backup, intent };
  const backup = await backupNamed(meant, turn.parts.catalogue);
  return whileHeld(parts.pins, backup.path, () => restoreFrom(backup, { request, intent }, turn));
}

async function restoreFrom(
  backup: Backup,
  { request, intent }: { readonly request: Restore; readonly intent: MemberIntent },
  turn: Turn,
): Promise<Result> {
  const { parts, onProgress, signal } = turn;
  const storage = await realPathOf(intent.spec.storage);
  const result = { position: backup.position };
  const filling = parts.journal.state.fillings?.[storage];
  const wasEmptied = filling?.id === request.id && filling.state !== 'begun';
  if (wasEmptied && (await isWhole(request, storage))) return note(request, storage, turn, result);
  await untilAtRest(`restore ${request.member}`, intent, turn);
  const marker = await markerFor(request, intent, storage, turn);
  const from = `the backup ${request.backup}`;
  const { id, wipe, term } = request;
  onProgress(wipe ? 'wiping what lies there' : 'setting aside what lies there');
  const emptying = { id, wipe, term, from, reseed: false, needBytes: backup.sizeBytes };
  await emptyStorage(intent, emptying, parts, signal);
  const owner = await ownerOf(intent.spec);
  await writeMarker(storage, { ...marker, seeding: { from, id } }, owner);
  await wipeStorage({ ...intent.spec, storage }, signal);
  const options = { backupPath: backup.path, onProgress };
  await parts.engineOf(intent).restore(engineMember(intent), options, signal);
  await writeMarker(storage, marker, owner);
  return note(request, storage, turn, result);
}

/** A restore that was finished by an agent that died before it could say so. */
async function isWhole({ term }: Restore, storage: string): Promise<boolean> {
  const reading = await readMarker(storage);
  if (reading.kind !== 'found') return false;
  const { seeding, term: found } = reading.marker;
  return seeding === undefined && found === term;
}

async function note(
  { id }: Restore,
  storage: string,
  { parts }: Turn,
  result: Result,
): Promise<Result> {
  if (parts.journal.state.fillings?.[storage]?.state === 'emptied')
    await parts.journal.append({ kind: 'storage-filled', storage, id });
  return result;
}

/** The one that it has afterwards. @throws LeafwardError `stale` when the storage has lived in a newer term. */
async function markerFor(
  { term, member }: Restore,
  { service }: MemberIntent,
  storage: string,
  { parts }: Turn,
): Promise<Marker> {
  const reading = await readMarker(storage);
  const before = reading.kind === 'found' ? reading.marker : undefined;
  if (before !== undefined && before.term > term)
    throw new LeafwardError(
      'stale',
      `restore ${member}: its storage has been in term ${before.term}, the request is of ${term} (I11)`,
    );
  const reseeded = before?.reseeded ?? parts.journal.state.fillings?.[storage]?.reseeded;
  const known = reseeded === undefined ? {} : { reseeded };
  return { format: 1, fleet: parts.fleet, service, member, term, ...known };
}
