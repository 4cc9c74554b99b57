// Which backups lie on this host: a record and a manifest beside each backup, durable before it counts, and a
// copy of the record with the agent. Must never remove one that it was not told to (I13).
import { mkdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { Clock } from '@leafward/shared/clock.js';
import type { Backup } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { openAttempts, type Attempt, type Attempts } from './attempts.js';
import { RECORD_SUFFIX, writeDurably } from './beside.js';
import { isEntry } from './delete-tree.js';
import { createLooker, type Found, type Looker } from './look.js';
import { hashFiles, type HashOptions } from './manifest.js';
import { isThere, manifestPathOf } from './place.js';
import { refuseOutside, sweepDirectory, takeFilesAway, takeRecordAway } from './removal.js';
import { syncTree } from './sync-tree.js';
import { verifyFiles } from './verify.js';

export { MANIFEST_SUFFIX, RECORD_SUFFIX } from './beside.js';

/** Told of each member, newest first: all of some years would be more than one message holds. */
const MOST_TOLD = 200;

export type NewBackup = Omit<Backup, 'sizeBytes' | 'files' | 'manifestSha256' | 'finishedAt'>;

export interface Cleaning {
  /** Where backups lie, as the host sees it. */
  readonly directories: readonly string[];
  /** Of an attempt that nobody waits for any more: its service still writes it. */
  readonly isWritten: (attempt: Attempt) => Promise<boolean>;
}

export interface Catalogue {
  /** Newest first; the same array until something changes. No more of a member than a report holds. */
  list(): readonly Backup[];
  /** All of them, however many. */
  all(): readonly Backup[];
  /** Recorded, not removed by this agent, and not there any more. */
  gone(): readonly Backup[];
  /** Before anything is made. @throws LeafwardError `already-exists`, `exhausted`, `failed`: nothing was begun. */
  begin(attempt: Attempt): Promise<void>;
  /** What was begun there is no backup and will be none: what it left is taken away by `clean`. */
  giveUp(path: string): void;
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
   * Takes one away: from the moment when its record has gone it is none, and what a crash leaves of it is swept. The
   * caller has claimed it (pins.ts). @throws LeafwardError `not-found`, `refused` outside of `directories`; else what
   * the system says: it may be gone from the list then.
   */
  remove(path: string, directories: readonly string[], signal: AbortSignal): Promise<void>;
  /** Finishes removals that were cut, takes away what attempts left. What it did, a line each. */
  clean(cleaning: Cleaning, signal: AbortSignal): Promise<readonly string[]>;
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
  /** One more is in it. */
  readonly onAdded?: (() => void) | undefined;
}

export async function openCatalogue(options: CatalogueOptions): Promise<Catalogue> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  const catalogue = new FileCatalogue(options, await openAttempts(options.directory));
  await catalogue.refresh([]);
  return catalogue;
}

class FileCatalogue implements Catalogue {
  readonly #known = new Map<string, Backup>();
  #newestFirst: readonly Backup[] = [];
  #gone: readonly Backup[] = [];
  readonly #looker: Looker;
  /** Two writers of one record would be in each other's way, and one would forget what the other noted. */
  readonly #inTurn = oneAtATime();
  /** Long work, which no record waits for. */
  readonly #removing = oneAtATime();
  readonly #writing = new Set<string>();

  constructor(
    readonly options: CatalogueOptions,
    readonly attempts: Attempts,
  ) {
    this.#looker = createLooker(options.directory, options.log);
  }

  list = (): readonly Backup[] => this.#newestFirst;
  all = (): readonly Backup[] => [...this.#known.values()];
  gone = (): readonly Backup[] => this.#gone;
  begin = (attempt: Attempt): Promise<void> => this.attempts.begin(attempt);
  giveUp = (path: string): void => this.attempts.gaveUp(path);

  async add(
    started: NewBackup,
    onProgress: (text: string) => void,
    signal: AbortSignal,
  ): Promise<Backup> {
    const { clock } = this.options;
    onProgress('waiting for the disk');
    await syncTree(started.path, signal);
    const manifest = await hashFiles(started.path, { clock, onProgress }, signal);
    const { sizeBytes, files, sha256: manifestSha256 } = manifest;
    const finishedAt = clock.now();
    const backup: Backup = { ...started, finishedAt, sizeBytes, files, manifestSha256 };
    await this.#record(() => backup, manifest.text);
    await this.attempts.succeeded(backup.path);
    this.options.onAdded?.();
    return backup;
  }

  async verify(
    backup: Backup,
    how: Pick<HashOptions, 'onProgress' | 'bytesPerSecond'>,
    signal: AbortSignal,
  ): Promise<Backup> {
    const manifest = manifestPathOf(backup.path);
    const { clock } = this.options;
    const verification = await verifyFiles(backup, manifest, { ...how, clock }, signal);
    const verified = await this.amend(backup.path, (now) => ({ ...now, verification }));
    if (verified !== undefined) return verified;
    throw new LeafwardError('failed', `verify ${backup.path}: it was removed meanwhile`);
  }

  amend(path: string, change: (backup: Backup) => Backup): Promise<Backup | undefined> {
    return this.#record(() => {
      const backup = this.#known.get(path);
      return backup === undefined ? undefined : change(backup);
    });
  }

  async adopt(backup: Backup): Promise<Backup> {
    await this.#record(() => backup);
    this.options.onAdded?.();
    return backup;
  }

  async remove(path: string, directories: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#inTurn(async () => {
      const backup = this.#known.get(path);
      if (backup === undefined)
        throw new LeafwardError('not-found', `remove ${path}: it is no backup of this host`);
      await refuseOutside(path, directories);
      const copy = this.#copyOf(backup);
      await takeRecordAway(backup, (await this.#isCopyOf(copy, path)) ? copy : undefined);
      this.#known.delete(path);
      this.#sort();
    });
    await this.#removing(() => takeFilesAway(path, signal));
  }

  async clean(
    { directories, isWritten }: Cleaning,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    await this.refresh(directories);
    return this.#removing(async () => {
      const attempts = await this.attempts.clean(isWritten, signal);
      const done = attempts.map((path) => `took away what an unfinished backup left at ${path}`);
      for (const directory of [this.options.directory, ...directories]) {
        const isKnown = (name: string): boolean => this.#known.has(join(directory, name));
        const isWriting = (path: string): boolean => this.#writing.has(path);
        const count = await sweepDirectory(directory, { isKnown, isWriting }, signal);
        if (count > 0) done.push(`took away ${count} remains in ${directory}`);
      }
      return done;
    });
  }

  refresh(directories: readonly string[]): Promise<boolean> {
    return this.#inTurn(async () => {
      let changed = false;
      const gone: Found[] = [];
      for (const directory of [undefined, ...directories]) {
        const found = await this.#looker.find(directory, (path) => this.#known.has(path));
        for (const { backup } of found.whole) {
          if (directory !== undefined) await this.#copy(backup);
          this.#known.set(backup.path, backup);
          changed = true;
        }
        gone.push(...found.gone);
      }
      for (const path of this.#known.keys())
        if (!(await isThere(path))) {
          this.#looker.complain(path, goneText(path));
          this.#known.delete(path);
          changed = true;
        }
      if (changed) this.#sort();
      await this.#missing(gone);
      return changed;
    });
  }

  /** Told for as long as its record lies where it was, or nothing newer has come. */
  async #missing(found: readonly Found[]): Promise<void> {
    const missing = new Map<string, Backup>();
    for (const { backup, record } of found) {
      const { path, service, startedAt } = backup;
      this.#looker.complain(path, goneText(path));
      const isNewer = (one: Backup): boolean =>
        one.service === service && one.startedAt > startedAt;
      const isOwn = dirname(record) === this.options.directory;
      const isForgotten = !(await isEntry(`${path}${RECORD_SUFFIX}`)) && this.all().some(isNewer);
      if (!isForgotten) missing.set(path, backup);
      else if (isOwn) await rm(record, { force: true });
    }
    const all = [...missing.values()];
    if (all.map(({ path }) => path).join() !== this.#gone.map(({ path }) => path).join())
      this.#gone = all;
  }

  /** With a manifest: it is a new one, and one from the moment when its record is beside it. */
  #record(change: () => Backup | undefined, manifest?: string): Promise<Backup | undefined> {
    return this.#inTurn(async () => {
      const backup = change();
      if (backup === undefined) return undefined;
      const isKnown = this.#known.has(backup.path);
      try {
        if (manifest !== undefined) await this.#write(manifestPathOf(backup.path), manifest);
        // Of what is known already the agent's own copy is read first after a crash.
        if (isKnown) await this.#write(this.#copyOf(backup), `${JSON.stringify(backup)}\n`);
        await this.#write(`${backup.path}${RECORD_SUFFIX}`, `${JSON.stringify(backup)}\n`);
      } catch (error) {
        throw unrecorded(backup, error);
      }
      if (!isKnown) await this.#copy(backup);
      this.#known.set(backup.path, backup);
      this.#sort();
      return backup;
    });
  }

  async #write(path: string, text: string): Promise<void> {
    this.#writing.add(path);
    try {
      await writeDurably(path, text);
    } finally {
      this.#writing.delete(path);
    }
  }

  /** The record beside it counts without it; what could not be written must not be an older word. */
  async #copy(backup: Backup): Promise<void> {
    const path = this.#copyOf(backup);
    try {
      await this.#write(path, `${JSON.stringify(backup)}\n`);
    } catch (error) {
      this.options.log.warn({ path }, `no copy of a backup's record: ${messageOf(error)}`);
      await rm(path, { force: true }).catch(() => undefined);
    }
  }

  #copyOf({ service, member, path }: Backup): string {
    const name = `${service}.${member}.${basename(path)}${RECORD_SUFFIX}`;
    return join(this.options.directory, name);
  }

  /** Two of one name in two directories have one copy: the later one's. */
  async #isCopyOf(copy: string, path: string): Promise<boolean> {
    const text = await readFile(copy, 'utf8').catch(() => undefined);
    return text?.includes(JSON.stringify(path)) === true;
  }

  #sort(): void {
    this.#newestFirst = sorted(this.#known);
  }
}

const goneText = (path: string): string => `the backup ${path} is gone and nobody told this agent`;

function unrecorded({ path }: Backup, error: unknown): LeafwardError {
  const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
  return new LeafwardError(
    full ? 'exhausted' : 'failed',
    `record the backup ${path}: ${messageOf(error)}; without its record it is none. ` +
      (full ? 'Free some space on its volume' : 'Look at its volume'),
    { retry: 'later', cause: error },
  );
}

function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
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
