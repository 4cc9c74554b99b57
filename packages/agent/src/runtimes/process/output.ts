// A member's output: one file that its program appends to and one older one. The agent cuts it when it grows;
// the program keeps its open file and, appending, goes on at the new end.
import { copyFile, open, stat, truncate } from 'node:fs/promises';

/** About 100,000 lines; what is older than two of them is gone. */
const OUTPUT_LIMIT_BYTES = 8 * 1024 * 1024;
const TAIL_BYTES = 256 * 1024;

/** Lines written between the copy and the cut are lost: a few at most, once in 8 MiB. */
export async function rotateOutput(path: string, limitBytes = OUTPUT_LIMIT_BYTES): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size <= limitBytes) return;
  await copyFile(path, `${path}.1`);
  await truncate(path, 0);
}

/** The last lines of the last 256 KiB, oldest first; empty when nothing was written since `sinceMs`. */
export async function tailOutput(
  path: string,
  options: { readonly sinceMs: number; readonly maxLines: number },
): Promise<readonly string[]> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return [];
  try {
    const { size, mtimeMs } = await file.stat();
    if (mtimeMs < options.sinceMs || size === 0) return [];
    const length = Math.min(size, TAIL_BYTES);
    const bytes = Buffer.alloc(length);
    const { bytesRead } = await file.read(bytes, 0, length, size - length);
    const lines = bytes.subarray(0, bytesRead).toString('utf8').split('\n');
    if (length < size) lines.shift(); // the first one is cut
    return lines.filter((line) => line !== '').slice(-options.maxLines);
  } finally {
    await file.close();
  }
}
