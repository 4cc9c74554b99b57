// Backups that were begun and are none yet: written down before anything is made, so that what a cut or failed one
// leaves is known to be this agent's own and can be taken away. Must never touch what was there before it began.
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { syncDirectory } from '../journal.js';
import {
  MANIFEST_SUFFIX,
  partialNameOf,
  RECORD_SUFFIX,
  unfinishedNameOf,
  writeDurably,
} from './beside.js';
import { entryOf, isEntry, openHomeOf } from './delete-tree.js';
import { assertBackupName, isThere } from './place.js';
import { removeEntry } from './removal.js';

export interface Attempt {
  readonly service: string;
  readonly member: string;
  readonly name: string;
  /** Where it will lie. */
  readonly path: string;
}

export interface Attempts {
  /** @throws LeafwardError `already-exists` when something is there, `exhausted` or `failed`: nothing was begun. */
  begin(attempt: Attempt): Promise<void>;
  /** It is a backup, recorded and durable. Never throws: what is left of the attempt is found out later. */
  succeeded(path: string): Promise<void>;
  /** It has ended without a backup: what it left may be taken away. */
  gaveUp(path: string): void;
  /**
   * Takes away what attempts left that have ended, or whose agent has. `isWritten` says of one that its service still
   * writes it: then it is left for later. Paths of what was taken away. @throws LeafwardError `aborted`, the first failure.
   */
  clean(
    isWritten: (attempt: Attempt) => Promise<boolean>,
    signal: AbortSignal,
  ): Promise<readonly string[]>;
}

interface Begun extends Attempt {
  /** False: its directory was made by it. */
  readonly hadDirectory: boolean;
}

const SUFFIX = '.leafward-begun.json';
/** More than hosts have members by far; whoever comes to this has a directory that cannot be cleaned. */
const MOST_ATTEMPTS = 1000;

export async function openAttempts(directory: string): Promise<Attempts> {
  const begun = new Map<string, Begun>();
  for (const one of await readAttempts(directory)) begun.set(one.path, one);
  const active = new Set<string>();
  const fileOf = ({ service, member, name }: Attempt): string =>
    join(directory, `${service}.${member}.${name}${SUFFIX}`);
  const forget = async (attempt: Begun): Promise<void> => {
    await rm(fileOf(attempt), { force: true });
    await syncDirectory(directory);
    begun.delete(attempt.path);
  };
  return {
    async begin(attempt) {
      const { path, member } = attempt;
      assertBackupName(attempt.name);
      if (begun.has(path))
        throw new LeafwardError(
          'already-exists',
          `back up ${member}: what an earlier attempt left at ${path} is still there; use another name`,
          { retry: 'later' },
        );
      if (await isEntry(path))
        throw new LeafwardError(
          'already-exists',
          `back up ${member}: there is something at ${path} already; use another name`,
        );
      if (begun.size >= MOST_ATTEMPTS)
        throw new LeafwardError(
          'exhausted',
          `back up ${member}: ${MOST_ATTEMPTS} failed attempts could not be cleaned; see the agent's log`,
        );
      const one: Begun = { ...attempt, hadDirectory: await isThere(dirname(path)) };
      active.add(path);
      begun.set(path, one);
      try {
        await writeDurably(fileOf(one), `${JSON.stringify(one)}\n`);
      } catch (error) {
        active.delete(path);
        begun.delete(path);
        throw notBegun(member, error);
      }
    },
    async succeeded(path) {
      const one = begun.get(path);
      if (one !== undefined) await forget(one).catch(() => undefined);
      active.delete(path);
    },
    gaveUp: (path) => void active.delete(path),
    async clean(isWritten, signal) {
      const cleaned: string[] = [];
      for (const one of [...begun.values()]) {
        if (active.has(one.path) || (await isWritten(one))) continue;
        const end = await takeAway(one, signal);
        if (end === 'out of reach') continue;
        if (end === 'taken away') cleaned.push(one.path);
        await forget(one);
      }
      return cleaned;
    },
  };
}

function notBegun(member: string, error: unknown): LeafwardError {
  const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
  return new LeafwardError(
    full ? 'exhausted' : 'failed',
    `back up ${member}: note that it begins: ${messageOf(error)}; nothing was begun`,
    { retry: 'later', cause: error },
  );
}

/** A backup that has its record is one, and stays. */
async function takeAway(
  { path, name, member, hadDirectory }: Begun,
  signal: AbortSignal,
): Promise<'taken away' | 'nothing was left' | 'out of reach'> {
  const home = await openHomeOf(path).catch(() => undefined);
  // A volume that is away comes back with what lies on it.
  if (home === undefined) return hadDirectory ? 'out of reach' : 'nothing was left';
  try {
    const at = basename(path);
    if (await isEntry(entryOf(home, `${at}${RECORD_SUFFIX}`))) return 'nothing was left';
    const names = [at, unfinishedNameOf(name), partialNameOf(name, member)];
    const left: boolean[] = [];
    for (const one of names) {
      left.push(await isEntry(entryOf(home, one)));
      await removeEntry(home, one, signal);
    }
    for (const suffix of [MANIFEST_SUFFIX, `${MANIFEST_SUFFIX}.new`, `${RECORD_SUFFIX}.new`])
      await rm(entryOf(home, `${at}${suffix}`), { force: true });
    await home.sync();
    return left.includes(true) ? 'taken away' : 'nothing was left';
  } finally {
    await home.close();
  }
}

async function readAttempts(directory: string): Promise<readonly Begun[]> {
  const names = await readdir(directory);
  const found: Begun[] = [];
  for (const name of names.filter((one) => one.endsWith(`${SUFFIX}.new`)))
    await rm(join(directory, name), { force: true }); // nothing had begun
  for (const name of names.filter((one) => one.endsWith(SUFFIX))) {
    const attempt = await readAttempt(join(directory, name));
    if (attempt !== undefined) found.push(attempt);
  }
  return found;
}

/** Undefined: nothing that could be acted on, and nothing is. */
async function readAttempt(path: string): Promise<Begun | undefined> {
  try {
    const found = JSON.parse(await readFile(path, 'utf8')) as Readonly<Record<string, unknown>>;
    const { service, member, name, path: at, hadDirectory } = found;
    const texts = [service, member, name, at].every((value) => typeof value === 'string');
    if (!texts || typeof hadDirectory !== 'boolean') return undefined;
    const attempt = found as unknown as Begun;
    assertBackupName(attempt.name);
    return attempt;
  } catch {
    return undefined;
  }
}
