// Which copies of this host's backups the rules of their repository let go, and their removal by restic. Must never name a
// snapshot that is not this host's copy of this service, nor the newest one that is known to be proven (I13).
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { Backup, Drill, Keep, KeepVerdict } from '@leafward/shared/gen/domain.js';
import { judgeBackups } from '@leafward/shared/retention.js';
import { replaceFile } from '../checks/durable-file.js';
import type { Repository } from './repository.js';

export interface KeepQuestion {
  readonly service: string;
  readonly host: string;
  readonly keep: Keep;
  readonly timeZone: string;
  readonly now: number;
  /** SHA-256 of the manifests of backups that a drill has booted. */
  readonly proven: readonly string[];
}

/** `path` of a verdict is the snapshot's id. Pure. */
export function judgeCopies(
  copies: readonly Backup[],
  question: KeepQuestion,
): readonly KeepVerdict[] {
  const { service, host, keep, timeZone, now, proven } = question;
  const own = copies.flatMap((copy): readonly Backup[] => {
    const snapshot = copy.copies?.copies[0]?.snapshot;
    const isOwn = copy.service === service && copy.host === host;
    if (!isOwn || snapshot === undefined) return [];
    const drill = proven.includes(copy.manifestSha256) ? PROVEN : undefined;
    return [{ ...copy, path: snapshot, ...(drill === undefined ? {} : { drill }) }];
  });
  const room = { freeBytes: undefined, pinned: new Map<string, string>() };
  return judgeBackups(own, { keep, timeZone, now, ...room });
}

/** All that counts of it here. */
const PROVEN: Drill = {
  at: 0,
  ok: true,
  image: { reference: '', digest: '' },
  tookMs: 0,
  copyMs: 0,
  migrationMs: 0,
  bytes: 0,
  problems: [],
};

/** What an agent remembers of repositories, beside what restic does. */
export interface CopiesMemory {
  /** Of backups that may be here no more. */
  readonly proven: readonly string[];
  /** When the rules were last carried out, by service and repository: several services may share one. */
  readonly keptAt: Readonly<Record<string, number>>;
  /** Manifests of copies that the rules let go: they are not copied again by themselves. */
  readonly takenOut: readonly string[];
  /** Repositories out of which something was taken and whose room was not freed yet. */
  readonly unpruned: readonly string[];
}

/** More than any host keeps: the newest of them count. */
const MOST_REMEMBERED = 2000;
const NOTHING: CopiesMemory = { proven: [], keptAt: {}, takenOut: [], unpruned: [] };
const fileIn = (directory: string): string => join(directory, 'copies.json');

/** @throws LeafwardError `failed` for one that cannot be read: the last proven copy might pass for any other (I13). */
export async function readMemory(directory: string): Promise<CopiesMemory> {
  const path = fileIn(directory);
  try {
    const found = JSON.parse(await readFile(path, 'utf8')) as Partial<CopiesMemory>;
    const memory = { ...NOTHING, ...found };
    if ([memory.proven, memory.takenOut, memory.unpruned].every(Array.isArray)) return memory;
    throw new Error('something of it is missing or wrong');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return NOTHING;
    throw new LeafwardError(
      'failed',
      `read which copies are proven in ${path}: ${messageOf(error)}; nothing is taken out meanwhile. Repair the file, or remove it: then only what drills of this host’s own backups prove counts as proven`,
    );
  }
}

/** For what only saves work: one that cannot be read is none. */
export const recallMemory = (directory: string): Promise<CopiesMemory> =>
  readMemory(directory).catch(() => NOTHING);

export function writeMemory(directory: string, memory: CopiesMemory): void {
  const newest = (all: readonly string[]) => [...new Set(all)].slice(-MOST_REMEMBERED);
  const { proven, takenOut } = memory;
  const kept = { ...memory, proven: newest(proven), takenOut: newest(takenOut) };
  replaceFile(fileIn(directory), `${JSON.stringify(kept)}\n`, 0o600);
}

/** At most so many ids fit well into one command. */
const AT_ONCE = 200;

/** Takes them out of the list, in which nobody finds them then; their room is freed by `prune`. */
export async function forget(
  repository: Repository,
  snapshots: readonly string[],
  turn: { readonly onProgress: (text: string) => void; readonly signal: AbortSignal },
): Promise<void> {
  for (const id of snapshots) assertId(id);
  for (let done = 0; done < snapshots.length; done += AT_ONCE) {
    turn.onProgress(`taking copies out of ${repository.shown}: ${done} of ${snapshots.length}`);
    const some = snapshots.slice(done, done + AT_ONCE);
    const what = `take ${some.length} copies out of ${repository.shown}`;
    const call = { what, arguments: ['forget', ...some], onProgress: turn.onProgress };
    await repository.call(call, turn.signal);
  }
}

export async function prune(
  repository: Repository,
  turn: { readonly onProgress: (text: string) => void; readonly signal: AbortSignal },
): Promise<void> {
  const { onProgress, signal } = turn;
  onProgress(`freeing room in ${repository.shown}`);
  const what = `free room in ${repository.shown}`;
  await repository.call({ what, arguments: ['prune'], onProgress }, signal);
}

/** Anything else might be read as an option, or as `latest`. */
function assertId(id: string): void {
  if (/^[0-9a-f]{64}$/.test(id)) return;
  throw new LeafwardError(
    'failed',
    `take copies out: ${JSON.stringify(id)} is no id of a snapshot`,
  );
}
