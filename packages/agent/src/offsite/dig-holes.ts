// Makes holes again of the zeros that an old restic wrote for them: a cell's files are mostly holes. What cannot be dug
// stays as it is: it is the same content.
import { spawn } from 'node:child_process';
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Repository } from './repository.js';

/** Of a smaller file nothing is won. */
const LEAST_BYTES = 1024 * 1024;

/** Of util-linux; without it nothing is done. @throws LeafwardError `aborted` */
export async function digHoles(
  root: string,
  { parts }: Pick<Repository, 'parts'>,
  signal: AbortSignal,
): Promise<void> {
  const waiting = [root];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop())
    for await (const entry of await opendir(path)) {
      if (signal.aborted) throw new LeafwardError('aborted', `dig holes in ${root}: stopped`);
      const inner = join(path, entry.name);
      if (entry.isDirectory()) waiting.push(inner);
      else if (entry.isFile() && (await lstat(inner)).size >= LEAST_BYTES)
        await digOne(inner, parts.path, signal);
    }
}

function digOne(path: string, PATH: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const words = ['-n', '19', 'fallocate', '--dig-holes', '--', path];
    const child = spawn('nice', words, { stdio: 'ignore', env: { PATH }, signal });
    child.on('error', () => resolve());
    child.on('close', () => resolve());
  });
}
