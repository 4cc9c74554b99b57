// Copies one file so that it takes no more room than before: shared blocks where the file system has them, holes stay
// holes everywhere else. Must never write over a file.
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { copyFile, open, rm, stat, type FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';

/** What is read at once. */
const CHUNK_BYTES = 1024 * 1024;
/** The least hole that is kept: what is smaller costs more calls than it saves. */
const HOLE_BYTES = 16 * 1024;
/** What is read of holes crowds out what others have in memory; beyond this a program that skips them is worth its start. */
const MOST_READ_OF_HOLES_BYTES = 16 * 1024 * 1024;
const ZEROS = Buffer.alloc(CHUNK_BYTES);
/** What a file system, or a pair of them, says that cannot share blocks. */
const CANNOT_SHARE = new Set(['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY']);

/** @throws NodeJS.ErrnoException: EEXIST, and what the file system says. */
export async function copySparse(from: string, to: string): Promise<void> {
  if (await sharesBlocks(from, to)) return;
  const { blocks, size } = await stat(from);
  // The kernel copies what has no holes by itself, faster than anybody reads and writes.
  if (blocks * 512 >= size) return copyFile(from, to, constants.COPYFILE_EXCL);
  if (size - blocks * 512 > MOST_READ_OF_HOLES_BYTES && (await copiedByProgram(from, to))) return;
  const source = await open(from, 'r');
  try {
    const target = await open(to, 'wx', 0o600);
    try {
      await copyData(source, target);
    } catch (error) {
      await rm(to, { force: true });
      throw error;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function sharesBlocks(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    if (CANNOT_SHARE.has((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/** Node cannot ask where a hole ends, GNU's cp can. False: there is none, or it failed; then nothing is left of it. */
async function copiedByProgram(from: string, to: string): Promise<boolean> {
  const made = await open(to, 'wx', 0o600);
  await made.close();
  try {
    await promisify(execFile)('cp', ['--sparse=always', '--no-target-directory', '--', from, to]);
    return true;
  } catch {
    await rm(to, { force: true });
    return false;
  }
}

async function copyData(source: FileHandle, target: FileHandle): Promise<void> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let at = 0;
  for (;;) {
    const { bytesRead } = await source.read(buffer, 0, CHUNK_BYTES, at);
    if (bytesRead === 0) break;
    for (const [start, end] of dataIn(buffer.subarray(0, bytesRead)))
      for (let done = start; done < end;)
        done += (await target.write(buffer, done, end - done, at + done)).bytesWritten;
    at += bytesRead;
  }
  await target.truncate(at); // it may end in a hole
}

/** Where there is anything but zeros, in runs of whole holes between them. Exported for its test. */
export function dataIn(chunk: Buffer): readonly (readonly [start: number, end: number])[] {
  if (isZero(chunk)) return [];
  const runs: [number, number][] = [];
  for (let at = 0; at < chunk.length; at += HOLE_BYTES) {
    const end = Math.min(at + HOLE_BYTES, chunk.length);
    if (isZero(chunk.subarray(at, end))) continue;
    const last = runs.at(-1);
    if (last?.[1] === at) last[1] = end;
    else runs.push([at, end]);
  }
  return runs;
}

const isZero = (part: Buffer): boolean => part.equals(ZEROS.subarray(0, part.length));
