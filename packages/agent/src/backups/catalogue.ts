// Which backups lie on this host: a record and a manifest beside each backup, durable before it counts, and a
// copy of the record with the agent. Must never remove a backup (I13).
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { Clock } from '@leafward/shared/clock.js';
import type { Backup } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { syncDirectory } from '../journal.js';
import { hashFiles } from './manifest.js';

const RECORD_SUFFIX = '.leafward-backup.json';
const MANIFEST_SUFFIX = '.leafward-manifest';

export type NewBackup = Omit<Backup, 'sizeBytes' | 'files' | 'manifestSha256' | 'finishedAt'>;

export interface Catalogue {
  /** Newest first; the same array until something changes. */
  list(): readonly Backup[];
  /** Hashes what lies at `path` and records it. @throws LeafwardError `failed` or `exhausted`. */
  add(backup: NewBackup, onProgress: (text: string) => void, signal: AbortSignal): Promise<Backup>;
  /**
   * Looks again: takes in records that lie in `directories` (an agent that lost its memory finds its backups)
   * and leaves out those whose files are gone. True when something changed.
   */
  refresh(directories: readonly string[]): Promise<boolean>;
}

export interface CatalogueOptions {
  /** Where copies of the records are kept. */
  readonly directory: string;
  readonly host: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export async function openCatalogue(options: CatalogueOptions): Promise<Catalogue> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  const known = new Map<string, Backup>();
  const refresh = async (directories: readonly string[]): Promise<boolean> => {
    let changed = false;
    for (const directory of [options.directory, ...directories])
      for (const backup of await readRecords(directory, options.log))
        if (!known.has(backup.path) && (await isThere(backup.path))) {
          known.set(backup.path, backup);
          changed = true;
        }
    for (const path of known.keys())
      if (!(await isThere(path))) {
        options.log.warn({ path }, `the backup ${path} is gone and nobody told this agent`);
        known.delete(path);
        changed = true;
      }
    return changed;
  };
  await refresh([]);
  let newestFirst = sorted(known);
  return {
    list: () => newestFirst,
    refresh: async (directories) => {
      const changed = await refresh(directories);
      if (changed) newestFirst = sorted(known);
      return changed;
    },
    async add(started, onProgress, signal) {
      const progress = { clock: options.clock, onProgress };
      const manifest = await hashFiles(started.path, progress, signal);
      const backup: Backup = {
        ...started,
        finishedAt: options.clock.now(),
        sizeBytes: manifest.sizeBytes,
        files: manifest.files,
        manifestSha256: manifest.sha256,
      };
      await record(backup, manifest.text, options);
      known.set(backup.path, backup);
      newestFirst = sorted(known);
      return backup;
    },
  };
}

function sorted(known: ReadonlyMap<string, Backup>): readonly Backup[] {
  return [...known.values()].sort((a, b) => b.finishedAt - a.finishedAt);
}

/** Manifest first, record last: a record without its manifest must not be. */
async function record(backup: Backup, manifest: string, options: CatalogueOptions): Promise<void> {
  const text = `${JSON.stringify(backup)}\n`;
  const copy = join(
    options.directory,
    `${backup.service}.${backup.member}.${basename(backup.path)}${RECORD_SUFFIX}`,
  );
  try {
    await writeDurably(`${backup.path}${MANIFEST_SUFFIX}`, manifest);
    await writeDurably(`${backup.path}${RECORD_SUFFIX}`, text);
    await writeDurably(copy, text);
  } catch (error) {
    const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
    throw new LeafwardError(
      full ? 'exhausted' : 'failed',
      `record the backup ${backup.path}: ${messageOf(error)}; it is complete but not in the catalogue`,
      { retry: 'later', cause: error },
    );
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.datasync();
  } catch (error) {
    await rm(`${path}.new`, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  await syncDirectory(dirname(path));
}

async function readRecords(directory: string, log: Logger): Promise<readonly Backup[]> {
  const names = await readdir(directory).catch(() => []);
  const backups: Backup[] = [];
  for (const name of names.filter((one) => one.endsWith(RECORD_SUFFIX)))
    try {
      const backup = JSON.parse(await readFile(join(directory, name), 'utf8')) as Backup;
      if (typeof backup.path === 'string' && typeof backup.manifestSha256 === 'string')
        backups.push(backup);
    } catch (error) {
      log.warn(
        { path: join(directory, name) },
        `a backup's record is unreadable: ${messageOf(error)}`,
      );
    }
  return backups;
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
