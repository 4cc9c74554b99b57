// Puts a homeserver's files back where a backup took them from. The database is its own service's: its backup is
// restored there, first. Must never write over a file that is there, nor touch the backup.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { EngineMember } from '../engine.js';
import { FILES, MEDIA, RECORD, type BackupRecord } from './backup.js';
import { copyOne, copyTree } from '../../copy-tree.js';
import { filesOf, KEPT_MEDIA, mediaDirectoryOf } from './files.js';

export interface RestoreOptions {
  readonly backupPath: string;
  readonly onProgress: (text: string) => void;
}

/** Only to paths that the member's own declaration names: a backup's record is not trusted with any other. */
export async function restore(
  { member, spec }: EngineMember,
  { backupPath, onProgress }: RestoreOptions,
  signal: AbortSignal,
): Promise<void> {
  const record = await readRecord(member, backupPath);
  const mayBeWritten = await restorablePaths(spec);
  for (const file of record.files) {
    if (!mayBeWritten(file)) {
      onProgress(`${file} is not a file of ${member} any more: left in ${join(backupPath, FILES)}`);
      continue;
    }
    const isNew = await copyOne(join(backupPath, FILES, file), file, true);
    if (!isNew) onProgress(`${file} is there and stays as it is`);
  }
  const media = mediaDirectoryOf(spec);
  for (const part of media === undefined ? [] : KEPT_MEDIA) {
    const [from, to] = [join(backupPath, MEDIA, part), join(media ?? '', part)];
    const files = await copyTree({ from, to, keepExisting: true, onFile: () => undefined }, signal);
    onProgress(`${part}: ${files} files put back`);
  }
  if (record.databaseBackup !== undefined)
    onProgress(`its database must be at ${record.databaseBackup}`);
}

async function restorablePaths(spec: EngineMember['spec']): Promise<(path: string) => boolean> {
  const known = new Set([...(await filesOf(spec)), ...spec.mounts.map(({ source }) => source)]);
  return (path) =>
    !path.split('/').includes('..') && (known.has(path) || path.startsWith(`${spec.storage}/`));
}

async function readRecord(member: string, backupPath: string): Promise<BackupRecord> {
  const path = join(backupPath, RECORD);
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (isRecord(value)) return value;
    throw new Error('its content is not what Leafward writes');
  } catch (error) {
    throw new LeafwardError(
      'failed',
      `restore ${member} from ${backupPath}: read ${RECORD}: ${messageOf(error)}; is it a backup of a homeserver?`,
      { cause: error },
    );
  }
}

function isRecord(value: unknown): value is BackupRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { format, files } = value as Partial<BackupRecord>;
  return format === 1 && Array.isArray(files) && files.every((file) => typeof file === 'string');
}
