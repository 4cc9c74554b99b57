// Every file of a backup with its SHA-256, size, path and mode, one line each, sorted by path: what a later verification
// and a restore are held against. Reads slowly on purpose: the service beside it needs the disk.
import { createHash } from 'node:crypto';
import { constants, type BigIntStats } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Clock } from '@leafward/shared/clock.js';
import { isAbort, LeafwardError } from '@leafward/shared/errors.js';
import { createPace, type Pace } from './pace.js';

export interface HashOptions {
  readonly clock: Clock;
  readonly onProgress: (text: string) => void;
  /** At most so much is read in a second. Undefined: half of what the disk gives. 0: all of it. */
  readonly bytesPerSecond?: number | undefined;
  /** Told of a file that cannot be read, which is then left out. Undefined: it is an error, as is none at all. */
  readonly onUnreadable?: ((name: string, error: unknown) => void) | undefined;
}

export interface FilesManifest {
  readonly text: string;
  readonly sha256: string;
  /** Allocated, not apparent: the files are sparse. */
  readonly sizeBytes: number;
  readonly files: number;
}

/** A backup has some hundred files; one with more than this is not a backup. */
const MAX_FILES = 200_000;
const CHUNK_BYTES = 1024 * 1024;
/** Small files cost their six calls rather than their bytes: a database has a thousand of them. */
const TOGETHER = 4;
/** A database has a thousand small files; nobody reads as many words. */
const TELL_EVERY_MS = 1000;

/** @throws LeafwardError `failed` when a file cannot be read or there is none. */
export async function hashFiles(
  directory: string,
  options: HashOptions,
  signal: AbortSignal,
): Promise<FilesManifest> {
  const paths = (await walk(directory, [])).sort();
  if (paths.length === 0 && options.onUnreadable === undefined)
    throw new LeafwardError('failed', `the backup ${directory} holds no file: nothing was kept`);
  const pace = createPace(options.clock, options.bytesPerSecond);
  const lines: string[] = [];
  let sizeBytes = 0;
  let toldAt = -Infinity;
  for (let done = 0; done < paths.length;) {
    const some = paths.slice(done, done + TOGETHER);
    const hashed = await Promise.all(
      some.map((path) => hashReadable({ directory, path }, { ...options, pace }, signal)),
    );
    for (const one of hashed) {
      if (one === undefined) continue;
      lines.push(one.line);
      sizeBytes += one.allocatedBytes;
    }
    done += some.length;
    if (options.clock.monotonic() - toldAt < TELL_EVERY_MS) continue;
    toldAt = options.clock.monotonic();
    options.onProgress(`hashed ${done} of ${paths.length} files`);
  }
  const text = lines.map((line) => `${line}\n`).join('');
  const sha256 = createHash('sha256').update(text).digest('hex');
  return { text, sha256, sizeBytes, files: paths.length };
}

interface Hashed {
  readonly line: string;
  readonly allocatedBytes: number;
}

async function hashReadable(
  file: { readonly directory: string; readonly path: string },
  { pace, onUnreadable }: HashOptions & { readonly pace: Pace },
  signal: AbortSignal,
): Promise<Hashed | undefined> {
  try {
    return await hashPath(file, pace, signal);
  } catch (error) {
    if (onUnreadable === undefined || error instanceof LeafwardError || isAbort(error)) throw error;
    onUnreadable(relative(file.directory, file.path), error);
    return undefined;
  }
}

async function hashPath(
  { directory, path }: { readonly directory: string; readonly path: string },
  pace: Pace,
  signal: AbortSignal,
): Promise<Hashed> {
  const found = await lstat(path, { bigint: true });
  const hash = found.isSymbolicLink()
    ? createHash('sha256')
        .update(await readlink(path))
        .digest('hex')
    : await hashFile({ path, size: Number(found.size) }, pace, signal);
  const name = relative(directory, path);
  if (!isSame(found, await lstat(path, { bigint: true })))
    throw new LeafwardError(
      'failed',
      `the backup ${directory} is not at rest: ${name} changed while it was hashed; find out who ` +
        'writes there and take another one',
    );
  // A link has no mode of its own.
  const [size, mode] = found.isSymbolicLink() ? ['link', ''] : [found.size, modeText(found.mode)];
  return {
    line: `${hash} ${size} ${JSON.stringify(name)}${mode}`,
    allocatedBytes: Number(found.blocks) * 512,
  };
}

/** Octal, as chmod(1) has them. */
const modeText = (mode: bigint): string => ` ${(mode & 0o7777n).toString(8).padStart(4, '0')}`;

async function walk(directory: string, found: string[]): Promise<string[]> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await walk(path, found);
    else if (entry.isFile() || entry.isSymbolicLink()) found.push(path);
    if (found.length > MAX_FILES)
      throw new LeafwardError('failed', `the backup ${directory} has more than ${MAX_FILES} files`);
  }
  return found;
}

/** A backup is over: nobody writes it any more. */
function isSame(before: BigIntStats, after: BigIntStats): boolean {
  const { ino, size, mtimeNs, ctimeNs } = before;
  return (
    after.ino === ino &&
    after.size === size &&
    after.mtimeNs === mtimeNs &&
    after.ctimeNs === ctimeNs
  );
}

/** Neither through a link nor waiting for a pipe: what it was when it was listed may be another now. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

async function hashFile(
  { path, size }: { readonly path: string; readonly size: number },
  pace: Pace,
  signal: AbortSignal,
): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, READ_FLAGS);
  try {
    // One byte more than it has: the read that comes back short is the last one.
    const chunk = Buffer.allocUnsafe(Math.min(size + 1, CHUNK_BYTES));
    while (!signal.aborted) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length, null);
      hash.update(chunk.subarray(0, bytesRead));
      if (bytesRead < chunk.length) return hash.digest('hex');
      await pace.rest(bytesRead, signal);
    }
    throw new LeafwardError('aborted', `hash ${path}: stopped by the caller`);
  } finally {
    await file.close();
  }
}
