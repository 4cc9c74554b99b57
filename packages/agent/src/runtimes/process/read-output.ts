// A member's output file, read from behind and followed. It is cut by its runtime while its program goes on writing: a
// copy of what was before the cut lies beside it. Reads only, a piece at a time.
import { open, stat, type FileHandle } from 'node:fs/promises';
import type { Clock } from '@leafward/shared/clock.js';
import { splitLines } from '../../logs/line-splitter.js';
import type { MemberOutput, Past, PastWanted } from '../../logs/member-output.js';
import { newestLines } from '../../logs/newest-lines.js';
import { timeIn } from '../../logs/parse-line.js';

const PIECE_BYTES = 256 * 1024;
/** First look from behind; each further one goes eight times as far back. */
const FIRST_WINDOW_BYTES = 256 * 1024;
/** Two files at their largest. */
const MOST_BYTES = 20 * 1024 * 1024;
/** One system call each; as fast as an eye follows. */
const LOOK_EVERY_MS = 250;

export function processOutput(path: string, clock: Clock): MemberOutput {
  /** Up to where it was read. */
  let offset = 0;
  let identity: string | undefined;
  return {
    past: async (wanted, signal) => {
      const files = await sizesOf([`${path}.1`, path]);
      offset = files[1]?.size ?? 0;
      identity = files[1]?.identity;
      const total = files.reduce((sum, { size }) => sum + size, 0);
      let windowBytes = wanted.sinceMs === undefined ? FIRST_WINDOW_BYTES : total;
      for (;;) {
        const bytes = Math.min(windowBytes, total, MOST_BYTES);
        const found = await lastLines(files, bytes, wanted, signal);
        if (bytes === total || found.lines.length >= wanted.maxLines || found.isCut) return found;
        if (bytes === MOST_BYTES) return { ...found, isCut: true };
        windowBytes *= 8;
      }
    },
    follow: async (onLine, signal) => {
      const splitter = splitLines();
      const take = (piece: Buffer): void => {
        for (const text of splitter.take(piece)) if (text !== '') onLine({ text });
      };
      while (!signal.aborted) {
        const found = await sizeOf(path);
        const { size } = found;
        const isCut = found.identity === identity && size < offset;
        if (found.identity !== identity) offset = 0; // it is another file: the member was made anew
        identity = found.identity;
        if (isCut) {
          // It was cut: what was not read yet is in the copy, and more of it here.
          await readRange(`${path}.1`, { from: offset, to: Infinity }, take, signal);
          offset = 0;
        }
        if (size > offset) offset = await readRange(path, { from: offset, to: size }, take, signal);
        await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
      }
    },
  };
}

interface Sized {
  readonly path: string;
  readonly size: number;
  /** Another one: another file. Undefined: it is not there. */
  readonly identity: string | undefined;
}

const sizesOf = (paths: readonly string[]): Promise<readonly Sized[]> =>
  Promise.all(paths.map(sizeOf));

async function sizeOf(path: string): Promise<Sized> {
  return stat(path).then(
    ({ size, ino, birthtimeMs }) => ({ path, size, identity: `${ino} ${birthtimeMs}` }),
    () => ({ path, size: 0, identity: undefined }),
  );
}

/** The newest lines that are wanted out of the last `bytes` of the files, one after the other. */
async function lastLines(
  files: readonly Sized[],
  bytes: number,
  { sinceMs, maxLines, keep }: PastWanted,
  signal: AbortSignal,
): Promise<Past> {
  const newest = newestLines(maxLines);
  const splitter = splitLines();
  const total = files.reduce((sum, { size }) => sum + size, 0);
  let isFirst = bytes < total; // cut in its middle
  let at: number | undefined;
  const take = (piece: Buffer): void => {
    for (const text of splitter.take(piece)) {
      at = timeIn(text) ?? jsonTimeIn(text) ?? at;
      const isOld = sinceMs !== undefined && at !== undefined && at < sinceMs;
      if (!isFirst && text !== '' && !isOld && keep({ text })) newest.push({ text });
      isFirst = false;
    }
  };
  let skip = total - bytes;
  for (const { path, size } of files) {
    if (skip < size) await readRange(path, { from: skip, to: size }, take, signal);
    skip = Math.max(0, skip - size);
  }
  return { lines: newest.lines(), isCut: newest.isCut() };
}

/** Without taking the whole record apart. */
function jsonTimeIn(text: string): number | undefined {
  if (!text.startsWith('{')) return undefined;
  const time = /"time"\s*:\s*"([^"]{10,40})"/.exec(text)?.[1];
  return time === undefined ? undefined : timeIn(time);
}

/** Up to where it was read. A file that is not there has nothing. */
async function readRange(
  path: string,
  { from, to }: { readonly from: number; readonly to: number },
  take: (piece: Buffer) => void,
  signal: AbortSignal,
): Promise<number> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch {
    return from;
  }
  try {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    let position = from;
    while (position < to && !signal.aborted) {
      const most = Math.min(PIECE_BYTES, to - position);
      const { bytesRead } = await file.read(piece, 0, most, position);
      if (bytesRead === 0) break;
      take(piece.subarray(0, bytesRead));
      position += bytesRead;
    }
    return position;
  } finally {
    await file.close();
  }
}
