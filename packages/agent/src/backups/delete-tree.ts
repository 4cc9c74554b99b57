// Removes one entry of a directory with all below it. Never follows a symbolic link, whoever puts one there meanwhile:
// each directory is opened as what it is, and what lies in it is reached through that handle only.
import { constants } from 'node:fs';
import { lstat, open, opendir, realpath, rmdir, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';

/** One handle each is open at a time; no service nests deeper. */
const MAX_DEPTH = 100;
/** A directory that fills again and again while it is emptied has a writer. */
const MAX_ROUNDS = 5;

/** @throws what opening it comes to; ENOTDIR or ELOOP where it is no directory. */
export function openDirectory(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
}

/** The directory that `path` lies in; that one may be behind a link of the operator's. */
export async function openHomeOf(path: string): Promise<FileHandle> {
  return openDirectory(await realpath(dirname(path)));
}

/** The path of an entry of an open directory, wherever that directory is moved to (proc(5), /proc/pid/fd). */
export function entryOf(directory: FileHandle, name: string): string {
  return `/proc/self/fd/${directory.fd}/${name}`;
}

/** Nothing there is no error. @throws LeafwardError `refused` at another file system, `aborted`; what the system says. */
export async function deleteEntry(
  directory: FileHandle,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const { dev } = await directory.stat();
  await deleteIn(directory, name, { device: dev, depth: 0, signal });
}

interface Descent {
  readonly device: number;
  readonly depth: number;
  readonly signal: AbortSignal;
}

async function deleteIn(parent: FileHandle, name: string, descent: Descent): Promise<void> {
  const { device, depth, signal } = descent;
  const path = entryOf(parent, name);
  if (signal.aborted) throw new LeafwardError('aborted', `remove ${name}: stopped by the caller`);
  const found = await lstat(path).catch(nothingIfGone);
  if (found === undefined) return;
  if (!found.isDirectory()) return unlink(path).catch(nothingIfGone);
  if (found.dev !== device)
    throw new LeafwardError('refused', `remove ${name}: another file system is mounted there`);
  if (depth >= MAX_DEPTH) throw new LeafwardError('refused', `remove ${name}: too deep`);
  for (let round = 1; ; round += 1) {
    await emptyOut(path, { ...descent, depth: depth + 1 });
    try {
      return await rmdir(path);
    } catch (error) {
      if (isGone(error)) return;
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY' || round >= MAX_ROUNDS) throw error;
    }
  }
}

async function emptyOut(path: string, descent: Descent): Promise<void> {
  const directory = await openDirectory(path).catch(nothingIfGone);
  if (directory === undefined) return;
  try {
    for await (const { name } of await opendir(entryOf(directory, '.')))
      await deleteIn(directory, name, descent);
  } finally {
    await directory.close();
  }
}

const isGone = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

function nothingIfGone(error: unknown): undefined {
  if (isGone(error)) return undefined;
  throw error;
}

/** True for whatever has that name, a link that leads nowhere too. */
export async function isEntry(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
