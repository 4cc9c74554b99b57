// Where a path leads, without symbolic links, be the end of it there or not: a storage that is set aside is away for a
// moment and must be the same one all the while.
import { readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

/** As many links as the kernel follows (path_resolution(7)). */
const MOST_LINKS = 40;

/** @throws what the system says of a path that leads nowhere at all. */
export async function truePath(path: string, links = 0): Promise<string> {
  const absolute = resolve(path);
  try {
    return await realpath(absolute);
  } catch (error) {
    const parent = dirname(absolute);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === absolute) throw error;
    const target = await readlink(absolute).catch(() => undefined);
    if (target === undefined) return join(await truePath(parent, links), basename(absolute));
    if (links >= MOST_LINKS) throw error;
    return truePath(resolve(await truePath(parent, links), target), links + 1);
  }
}
