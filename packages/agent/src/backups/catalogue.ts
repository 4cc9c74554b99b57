// Which backups lie on this host: a record and a manifest beside each backup, durable before it counts, and a
// copy of the record with the agent. Must never remove a backup (I13).
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { Clock } from '@leafward/shared/clock.js';
import type { Backup } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { syncDirectory } from '../journal.js';
import { hashFiles, type HashOptions } from './manifest.js';
import { isThere } from './place.js';
import { asBackup } from './record.js';
import { verifyFiles } from './verify.js';

const RECORD_SUFFIX = '.leafward-backup.json';
const MANIFEST_SUFFIX = '.leafward-manifest';

const MOST_COMPLAINTS = 1000;
/** Told of each member, newest first: all of some years would be more than one message holds. */
const MOST_TOLD = 200;

export type NewBackup = Omit<Backup, 'sizeBytes' | 'files' | 'manifestSha256' | 'finishedAt'>;

export interface Catalogue {
  /** Newest first; the same array until something changes. */
  list(): readonly Backup[];
  /** Hashes what lies at `path` and records it. @throws LeafwardError `failed` or `exhausted`. */
  add(backup: NewBackup, onProgress: (text: string) => void, signal: AbortSignal): Promise<Backup>;
  /** Reads every file again and records what was found. @throws LeafwardError what verifying and recording throw. */
  verify(
    backup: Backup,
    options: Pick<HashOptions, 'onProgress' | 'bytesPerSecond'>,
    signal: AbortSignal,
  ): Promise<Backup>;
  /**
   * Notes something more of the backup at `path`, durably, on what is known of it then. Undefined: it has gone.
   * @throws LeafwardError what recording throws.
   */
  amend(path: string, change: (backup: Backup) => Backup): Promise<Backup | undefined>;
  /** Takes in one whose files and manifest lie where it says. @throws LeafwardError what recording throws. */
  adopt(backup: Backup): Promise<Backup>;
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
  const refresh = createLook(known, options);
  const inTurn = oneAtATime();
  const record = (change: () => Backup | undefined): Promise<Backup | undefined> =>
    inTurn(async () => {
      const backup = change();
      if (backup === undefined) return undefined;
      await writeRecord(backup, undefined, options);
      known.set(backup.path, backup);
      newestFirst = sorted(known);
      return backup;
    });
  const amend = (path: string, change: (backup: Backup) => Backup): Promise<Backup | undefined> =>
    record(() => {
      const backup = known.get(path);
      return backup === undefined ? undefined : change(backup);
    });
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
      await writeRecord(backup, manifest.text, options);
      known.set(backup.path, backup);
      newestFirst = sorted(known);
      return backup;
    },
    async verify(backup, how, signal) {
      const manifest = `${backup.path}${MANIFEST_SUFFIX}`;
      const { clock } = options;
      const verification = await verifyFiles(backup, manifest, { ...how, clock }, signal);
      const verified = await amend(backup.path, (now) => ({ ...now, verification }));
      if (verified !== undefined) return verified;
      throw new LeafwardError('failed', `verify ${backup.path}: it was removed meanwhile`);
    },
    amend,
    async adopt(backup) {
      await record(() => backup);
      return backup;
    },
  };
}

/** Two writers of one record would be in each other's way, and one would forget what the other noted. */
function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
}

function createLook(known: Map<string, Backup>, options: CatalogueOptions): Catalogue['refresh'] {
  const complained = new Set<string>();
  const complain = (path: string, why: string): void => {
    if (complained.has(path) || complained.size >= MOST_COMPLAINTS) return;
    complained.add(path);
    options.log.warn({ path }, `a backup's record is left out: ${path}: ${why}`);
  };
  return async (directories) => {
    let changed = false;
    for (const directory of [options.directory, ...directories])
      for (const record of await recordsIn(directory)) {
        const own = directory === options.directory;
        const at = own ? undefined : record.slice(0, -RECORD_SUFFIX.length);
        if (at !== undefined && known.has(at)) continue;
        const backup = await readRecord(record, at, complain);
        if (backup === undefined || known.has(backup.path)) continue;
        if (!(await isWhole(backup, complain))) continue;
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
}

function sorted(known: ReadonlyMap<string, Backup>): readonly Backup[] {
  const told = new Map<string, number>();
  return [...known.values()]
    .sort((a, b) => b.finishedAt - a.finishedAt)
    .filter(({ member }) => {
      const count = told.get(member) ?? 0;
      told.set(member, count + 1);
      return count < MOST_TOLD;
    });
}

/** Manifest first, record last: a record without its manifest must not be. Undefined: it stays as it is. */
async function writeRecord(
  backup: Backup,
  manifest: string | undefined,
  options: CatalogueOptions,
): Promise<void> {
  const text = `${JSON.stringify(backup)}\n`;
  const copy = join(
    options.directory,
    `${backup.service}.${backup.member}.${basename(backup.path)}${RECORD_SUFFIX}`,
  );
  try {
    if (manifest !== undefined) await writeDurably(`${backup.path}${MANIFEST_SUFFIX}`, manifest);
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
  // Anew and never through a link: whoever owns the directory may have put one there.
  await rm(`${path}.new`, { force: true });
  const file = await open(`${path}.new`, 'wx', 0o600);
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

async function recordsIn(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory).catch(() => []);
  return names.filter((one) => one.endsWith(RECORD_SUFFIX)).map((one) => join(directory, one));
}

/** `at`: where the backup lies that this record is beside; it says nothing of any other. */
async function readRecord(
  record: string,
  at: string | undefined,
  complain: (path: string, why: string) => void,
): Promise<Backup | undefined> {
  try {
    const backup = asBackup(JSON.parse(await readFile(record, 'utf8')));
    return at === undefined ? backup : { ...backup, path: at };
  } catch (error) {
    complain(record, messageOf(error));
    return undefined;
  }
}

/** Its files are there, and the list of them is the one that was recorded. */
async function isWhole(
  backup: Backup,
  complain: (path: string, why: string) => void,
): Promise<boolean> {
  if (!(await isThere(backup.path))) return false;
  const manifest = await readFile(`${backup.path}${MANIFEST_SUFFIX}`).catch(() => undefined);
  const sha256 = createHash('sha256')
    .update(manifest ?? '')
    .digest('hex');
  if (manifest !== undefined && sha256 === backup.manifestSha256) return true;
  complain(backup.path, manifest === undefined ? 'it has no manifest' : 'its manifest is another');
  return false;
}
