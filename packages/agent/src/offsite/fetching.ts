// A copy comes back: under a hidden name first, held against its manifest, then in place, then in the catalogue. Must
// never put anything over what lies there, and never call a backup whole that is not.
import { mkdir, readFile, rename, rm, statfs } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { Backup, Verification } from '@leafward/shared/gen/domain.js';
import { RECORD_SUFFIX, type Catalogue } from '../backups/catalogue.js';
import { isThere, manifestPathOf, nearestExisting } from '../backups/place.js';
import { asBackup } from '../backups/record.js';
import { syncTree } from '../backups/sync-tree.js';
import { verifyFiles } from '../backups/verify.js';
import { syncDirectory } from '../journal.js';
import { digHoles } from './dig-holes.js';
import { createTeller } from './progress.js';
import type { Repository } from './repository.js';
import { classify, wordsOf } from './restic-error.js';
import { isAtLeast, parseProgress } from './restic-output.js';
import type { CopyTurn } from './copying.js';

export interface Fetched {
  /** As the repository lists it, with its one copy. */
  readonly copy: Backup;
  /** The member's backup directory. */
  readonly directory: string;
  readonly catalogue: Catalogue;
  /** Of restic on this host. */
  readonly version: string;
}

/** The first that writes holes as holes. */
const SPARSE_SINCE = '0.15.0';
/** What a service needs of its volume to boot; a backup directory is often on the same one. */
const KEPT_FREE = 0.05;

/** @throws LeafwardError `already-exists`, `exhausted` with figures, `failed` for one that is damaged, what restic says. */
export async function fetchFrom(
  repository: Repository,
  fetched: Fetched,
  turn: CopyTurn,
): Promise<Backup> {
  const { copy, directory, catalogue } = fetched;
  const path = join(directory, basename(copy.path));
  const known = catalogue.list().find((one) => one.path === path);
  const hidden = join(directory, `.leafward-fetch-${basename(copy.path)}`);
  if (known?.manifestSha256 === copy.manifestSha256) {
    await rm(hidden, { recursive: true, force: true });
    return known;
  }
  if (known !== undefined || ((await isThere(path)) && !(await isThere(hidden))))
    throw new LeafwardError(
      'already-exists',
      `fetch ${copy.name}: something else lies at ${path} already; nothing was touched`,
    );
  await mkdir(directory, { recursive: true, mode: 0o700 });
  try {
    // An agent that ended between the two renames has left the record behind.
    if (!(await isThere(path))) {
      await rm(hidden, { recursive: true, force: true });
      await bring(repository, { ...fetched, hidden }, turn);
    }
    const backup = await place({ ...fetched, hidden, path }, repository, turn);
    await rm(hidden, { recursive: true, force: true });
    return backup;
  } catch (error) {
    // What is in place is taken up by the next attempt, which finds the record beside it.
    if (!(await isThere(path))) await rm(hidden, { recursive: true, force: true });
    throw error;
  }
}

async function bring(
  repository: Repository,
  { copy, directory, version, hidden }: Fetched & { readonly hidden: string },
  { onProgress, signal }: CopyTurn,
): Promise<void> {
  const what = `fetch ${copy.name} from ${repository.shown}`;
  const snapshot = copy.copies?.copies[0]?.snapshot ?? '';
  const isSparse = isAtLeast(version, SPARSE_SINCE);
  onProgress('reckoning the room that it needs');
  const needBytes = isSparse ? copy.sizeBytes : await denseBytes(repository, snapshot, signal);
  await assertRoom(what, { directory, needBytes, isSparse });
  await mkdir(hidden, { mode: 0o700 });
  onProgress(`bringing ${(needBytes / 1e9).toFixed(1)} GB back`);
  const tell = createTeller('brought back', repository.parts.clock, onProgress);
  const restore = ['restore', snapshot, '--json', '--no-lock', '--target', hidden];
  const call = {
    what,
    arguments: isSparse ? [...restore, '--sparse'] : restore,
    onLine: (line: string) => tell(parseProgress(line)),
    onProgress,
  };
  const end = await repository.attempt(call, signal);
  if (end.exitCode === 0) return isSparse ? undefined : digHoles(hidden, repository, signal);
  // Somebody else took the room meanwhile; it is not the repository's.
  if (classify(end) === 'full')
    throw new LeafwardError(
      'exhausted',
      `${what}: ${directory} or the agent’s state directory has no room left: ${wordsOf(end)}`,
      { retry: 'later' },
    );
  throw await repository.failure(what, end);
}

/** With every hole written out. */
async function denseBytes(
  repository: Repository,
  snapshot: string,
  signal: AbortSignal,
): Promise<number> {
  const { stdout } = await repository.call(
    {
      what: `measure ${snapshot} in ${repository.shown}`,
      arguments: ['stats', '--json', '--no-lock', '--mode', 'restore-size', snapshot],
      onProgress: () => undefined,
    },
    signal,
  );
  const found = /"total_size":\s*(\d+)/.exec(stdout)?.[1];
  if (found !== undefined) return Number(found);
  throw new LeafwardError('failed', `measure ${snapshot}: restic’s answer is not understood`);
}

async function assertRoom(
  what: string,
  {
    directory,
    needBytes,
    isSparse,
  }: { readonly directory: string; readonly needBytes: number; readonly isSparse: boolean },
): Promise<void> {
  const { bavail, blocks, bsize } = await statfs(await nearestExisting(directory));
  const [freeBytes, reserveBytes] = [bavail * bsize, blocks * bsize * KEPT_FREE];
  if (freeBytes >= needBytes + reserveBytes) return;
  const figures = [needBytes, reserveBytes, freeBytes].map((bytes) => (bytes / 1e9).toFixed(3));
  throw new LeafwardError(
    'exhausted',
    `${what}: it needs ${figures[0]} GB and 5 % of the volume (${figures[1]} GB) stay free, but ${figures[2]} GB are ` +
      `free at ${directory}; free some space${isSparse ? '' : ', or install restic 0.15, which leaves holes unwritten'} (I7)`,
    { retry: 'later' },
  );
}

interface Placing extends Fetched {
  readonly hidden: string;
  readonly path: string;
}

async function place(
  { copy, catalogue, hidden, path }: Placing,
  repository: Repository,
  turn: CopyTurn,
): Promise<Backup> {
  const name = basename(copy.path);
  const isInPlace = await isThere(path);
  const brought = isInPlace ? path : join(hidden, name);
  const manifest = isInPlace ? manifestPathOf(path) : manifestPathOf(brought);
  const record = await readRecord(join(hidden, `${name}${RECORD_SUFFIX}`), copy);
  const verification = await verifyBrought(
    { ...record, path: brought },
    manifest,
    repository,
    turn,
  );
  if (!isInPlace) {
    await syncTree(brought, turn.signal);
    await rename(manifest, manifestPathOf(path));
    await rename(brought, path);
    await syncDirectory(join(path, '..'));
  }
  return catalogue.adopt({
    ...record,
    path,
    host: turn.host,
    sizeBytes: verification.bytes,
    verification,
    copies: copy.copies,
  });
}

async function verifyBrought(
  backup: Backup,
  manifest: string,
  { shown, parts }: Repository,
  { onProgress, signal }: CopyTurn,
): Promise<Verification> {
  const options = { clock: parts.clock, onProgress };
  const verification = await verifyFiles(backup, manifest, options, signal);
  if (verification.ok) return verification;
  throw new LeafwardError(
    'failed',
    `fetch ${backup.name} from ${shown}: what came back is not the backup: ${verification.problems.join('; ')}; ` +
      'it was taken away again. Take another copy, and check this repository: leafward backup check-copies',
  );
}

/** The record that was copied with it knows more than the tags: what was verified and drilled. */
async function readRecord(path: string, copy: Backup): Promise<Backup> {
  try {
    const record = asBackup(JSON.parse(await readFile(path, 'utf8')));
    if (record.manifestSha256 === copy.manifestSha256) return record;
    throw new Error('it is the record of another backup');
  } catch (error) {
    throw new LeafwardError('failed', `fetch ${copy.name}: its record: ${messageOf(error)}`);
  }
}
