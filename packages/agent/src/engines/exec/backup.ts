// A live backup by a kind's own command: into a directory beside, which gets its name only when the command succeeded
// and all is on the disk. Must never leave half a backup, nor touch one that it did not begin.
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { PARTIAL_PREFIX, partialNameOf } from '../../backups/beside.js';
import { assertBackupName, backupDirectoryOf, isThere } from '../../backups/place.js';
import { syncTree } from '../../backups/sync-tree.js';
import { syncDirectory } from '../../journal.js';
import { askPosition } from './ask.js';
import { giveToOwner } from './files.js';
import { throttled } from './progress.js';
import { act, type Talk } from './run-command.js';
import { seenPath } from './seen-path.js';

export interface BackupOptions {
  readonly name: string;
  readonly onProgress: (text: string) => void;
}

/**
 * Position is the log's when it began: the backup holds at least all below it.
 * Throws `invalid` name, `already-exists`, and what its command came to.
 */
export async function backUp(
  talk: Talk,
  { name, onProgress }: BackupOptions,
  signal: AbortSignal,
): Promise<{ readonly path: string; readonly position: number | undefined }> {
  const { member, spec } = talk.member;
  assertBackupName(name);
  const directory = backupDirectoryOf(spec);
  const path = join(directory, name);
  if (await isThere(path))
    throw new LeafwardError(
      'already-exists',
      `back up ${member}: there is one of the name ${name} in ${directory}; use another name`,
    );
  const position = await askPosition(talk, 'position', {}, signal);
  await makeDirectory(directory, spec.storage);
  await removeLeftovers(directory, member);
  const partial = join(directory, partialNameOf(name, member));
  try {
    await makeDirectory(partial, spec.storage);
    const fill = { directory: { host: partial, member: seenPath(spec, partial) } };
    onProgress(`backup ${name}: starting`);
    await act(talk, 'backup', { fill, onLine: throttled(talk, onProgress) }, signal);
    if ((await readdir(partial)).length === 0)
      throw new LeafwardError(
        'failed',
        `back up ${member}: its command backup succeeded and wrote nothing into {directory}`,
      );
    onProgress(`backup ${name}: waiting for the disk`);
    await syncTree(partial, signal);
    await rename(partial, path);
    await syncDirectory(directory);
  } catch (error) {
    await discard(partial, onProgress);
    throw error;
  }
  return { path, position };
}

/** Of an agent that died amid one. */
async function removeLeftovers(directory: string, member: string): Promise<void> {
  for (const name of await readdir(directory))
    if (name.startsWith(PARTIAL_PREFIX) && name.endsWith(`@${member}`))
      await rm(join(directory, name), { recursive: true, force: true });
}

/** For nobody but the member's user: a backup holds its private keys. */
async function makeDirectory(path: string, storage: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const made = await mkdir(path, { recursive: true, mode: 0o700 });
    if (made !== undefined) await giveToOwner(path, storage);
  } catch (error) {
    throw new LeafwardError('failed', `make ${path} for a backup: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function discard(partial: string, onProgress: (text: string) => void): Promise<void> {
  await rm(partial, { recursive: true, force: true }).catch((error: unknown) => {
    onProgress(`half a backup is left at ${partial}: ${messageOf(error)}`);
  });
}
