// Copies a directory file by file, also while its owner goes on writing into it. Must never change what it copies,
// follow a link out of it, or write over anything.
import type { Stats } from 'node:fs';
import {
  chmod,
  chown,
  lchown,
  lstat,
  mkdir,
  opendir,
  readlink,
  stat,
  symlink,
  utimes,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { syncOne } from './backups/sync-tree.js';
import { copySparse } from './copy-sparse.js';

export interface CopyOptions {
  readonly from: string;
  readonly to: string;
  /** What is there already is left as it is; otherwise it is an error. */
  readonly keepExisting: boolean;
  /** Links are made again as they are. Default: they are left out. */
  readonly links?: boolean | undefined;
  /** Each file is on the disk before the next one. */
  readonly durable?: boolean | undefined;
  /** Names at the top that are left out. */
  readonly leavesOut?: ((name: string) => boolean) | undefined;
  /** Called after each file with the bytes so far. */
  readonly onFile: (totalBytes: number) => void;
}

/** Returns how many files were copied; what vanishes meanwhile is left out. A missing `from` has none. */
export async function copyTree(options: CopyOptions, signal: AbortSignal): Promise<number> {
  let files = 0;
  let totalBytes = 0;
  const waiting = [''];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (signal.aborted)
      throw new LeafwardError('aborted', `copy ${options.from}: stopped by the caller`);
    const [from, to] = [join(options.from, at), join(options.to, at)];
    // Only the beginning may be a link: an operator may have put the media elsewhere.
    const found = await (at === '' ? stat(from) : lstat(from)).catch(ignoreMissing);
    if (found?.isDirectory() === true) {
      const made = await mkdir(to, { recursive: true });
      if (at !== '' || made !== undefined) await takeOver(to, found);
      const names = await namesIn(from);
      const wanted = at === '' ? names.filter((name) => !options.leavesOut?.(name)) : names;
      waiting.push(...wanted.map((name) => join(at, name)));
    }
    if (found?.isSymbolicLink() === true && options.links === true) await copyLink(from, to, found);
    if (found?.isFile() !== true || !(await copyOne(from, to, options.keepExisting))) continue;
    if (options.durable === true) await syncOne(to);
    files += 1;
    totalBytes += found.size;
    options.onFile(totalBytes);
  }
  return files;
}

/** False: it has vanished, or was there already. @throws LeafwardError `exhausted`, `failed`. */
export async function copyOne(from: string, to: string, keepExisting: boolean): Promise<boolean> {
  try {
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    const found = await stat(from);
    await copySparse(from, to);
    await takeOver(to, found);
    await utimes(to, found.atime, found.mtime);
    return true;
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && path === from) return false;
    if (code === 'EEXIST' && keepExisting) return false;
    throw new LeafwardError(
      code === 'ENOSPC' || code === 'EDQUOT' ? 'exhausted' : 'failed',
      `copy ${from} to ${to}: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** Whoever could read it can read the copy that is put back; the owner only as far as this process may. */
async function takeOver(path: string, { mode, uid, gid }: Stats): Promise<void> {
  await chown(path, uid, gid).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPERM') throw error;
  });
  await chmod(path, mode & 0o777);
}

async function copyLink(from: string, to: string, { uid, gid }: Stats): Promise<void> {
  await symlink(await readlink(from), to);
  await lchown(to, uid, gid).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPERM') throw error;
  });
}

async function namesIn(directory: string): Promise<readonly string[]> {
  const names: string[] = [];
  const entries = await opendir(directory).catch(ignoreMissing);
  if (entries === undefined) return names;
  for await (const entry of entries) names.push(entry.name);
  return names;
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
