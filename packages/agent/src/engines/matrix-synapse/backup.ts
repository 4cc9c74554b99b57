// The part of a homeserver's backup that lies beside its database: media, keys, configuration. Comes after the
// database's own backup: a row without its file is lost for ever, a file without a row is harmless.
import { mkdir, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import { allocatedBytes } from '../../backups/allocated-bytes.js';
import {
  assertBackupName,
  backupDirectoryOf,
  isThere,
  nearestExisting,
} from '../../backups/place.js';
import type { BackupRoom, EngineMember } from '../engine.js';
import { isMain } from './addresses.js';
import { copyOne, copyTree } from '../../copy-tree.js';
import { filesOf, KEPT_MEDIA, mediaDirectoryOf } from './files.js';

/** What the backup is and what belongs to it; lies in its directory. */
export const RECORD = 'matrix-synapse.json';
export const MEDIA = 'media';
export const FILES = 'files';

export interface BackupRecord {
  readonly format: 1;
  /** SERVICE/NAME of the database's own backup. */
  readonly databaseBackup?: string | undefined;
  readonly media?: string | undefined;
  /** Host paths; each lies below `files` under the same path. */
  readonly files: readonly string[];
}

const TELL_EVERY_BYTES = 256 * 2 ** 20;

export interface BackupOptions {
  readonly name: string;
  readonly databaseBackup?: string | undefined;
  readonly onProgress: (text: string) => void;
}

export async function backupRoom(member: EngineMember, signal: AbortSignal): Promise<BackupRoom> {
  const { spec } = member;
  requireMain(member);
  const media = mediaDirectoryOf(spec);
  const parts = media === undefined ? [] : KEPT_MEDIA.map((part) => join(media, part));
  const paths = [...parts, ...(await filesOf(spec))];
  let needBytes = 0;
  for (const path of paths) needBytes += await allocatedBytes(path, signal);
  const volume = await statfs(await nearestExisting(backupDirectoryOf(spec)));
  return {
    needBytes,
    freeBytes: volume.bavail * volume.bsize,
    rule: `${needBytes} bytes of local media${media === undefined ? '' : ` in ${media}`} and of configuration, once more`,
  };
}

/** @throws LeafwardError `invalid`, `refused`, `already-exists`, `not-found`, `exhausted`, `failed`, `aborted`. */
export async function backUp(
  member: EngineMember,
  options: BackupOptions,
  signal: AbortSignal,
): Promise<{ readonly path: string }> {
  requireMain(member);
  requireDatabaseBackup(member, options);
  assertBackupName(options.name);
  const path = join(backupDirectoryOf(member.spec), options.name);
  if (await isThere(path))
    throw new LeafwardError(
      'already-exists',
      `back up ${member.member}: ${path} is there already; use another name`,
    );
  // Without its final name it is what a backup left that did not end.
  const unfinished = `${path}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  try {
    await mkdir(unfinished, { recursive: true, mode: 0o700 });
    await fill(member, unfinished, options, signal);
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  }
  return { path };
}

async function fill(
  member: EngineMember,
  directory: string,
  options: BackupOptions,
  signal: AbortSignal,
): Promise<void> {
  const { spec } = member;
  const { databaseBackup, onProgress } = options;
  const media = mediaDirectoryOf(spec);
  const files = await filesOf(spec);
  await requireParts(member, files);
  for (const file of files)
    if (!(await copyOne(file, join(directory, FILES, file), false)))
      throw new LeafwardError(
        'not-found',
        `back up ${member.member}: ${file} is not there; correct the option files in the manifest`,
      );
  let toldBytes = 0;
  let copied = 0;
  for (const part of media === undefined ? [] : KEPT_MEDIA) {
    const onFile = (totalBytes: number): void => {
      if (totalBytes - toldBytes < TELL_EVERY_BYTES) return;
      toldBytes = totalBytes;
      onProgress(`${part}: ${Math.round(totalBytes / 2 ** 20)} MiB copied`);
    };
    const [from, to] = [join(media ?? '', part), join(directory, MEDIA, part)];
    copied += await copyTree({ from, to, keepExisting: false, onFile }, signal);
    toldBytes = 0;
  }
  onProgress(`${copied} files of media and ${files.length} of configuration are copied`);
  const record: BackupRecord = { format: 1, databaseBackup, media, files };
  await writeFile(join(directory, RECORD), `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
}

function requireMain(member: EngineMember): void {
  if (isMain(member)) return;
  throw new LeafwardError(
    'refused',
    `back up ${member.member}: a worker holds no data of its own; back up its main process`,
  );
}

/** A restore without its signing key is another server, one without its media has lost them. */
async function requireParts(member: EngineMember, files: readonly string[]): Promise<void> {
  const { spec } = member;
  const targets = spec.mounts.map(({ target }) => target);
  if (![...files, ...targets].some((path) => path.endsWith('signing.key')))
    throw new LeafwardError(
      'not-found',
      `back up ${member.member}: no signing key among its files; mount it, or name it in the option files of its engine`,
    );
  const media = mediaDirectoryOf(spec);
  if (media !== undefined && !(await isThere(media)))
    throw new LeafwardError(
      'not-found',
      `back up ${member.member}: there is no media store at ${media}; set the option media of its engine to its directory, or to none`,
    );
}

/** Media without the database that names them would be no backup. */
function requireDatabaseBackup(member: EngineMember, { databaseBackup }: BackupOptions): void {
  const service = member.spec.engineOptions['databaseService'];
  if (service === undefined || databaseBackup?.startsWith(`${service}/`) === true) return;
  throw new LeafwardError(
    'refused',
    `back up ${member.member}: its data are in the database of ${service}, whose backup comes first and is not named; ` +
      `leafward backup run ${member.service} takes both in order`,
  );
}
