// Who on this host can get at a directory of backups: they hold private keys, and whoever can write there can put others
// in their place. Reads modes, changes nothing.
import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';

export interface OpenPlace {
  readonly what: 'readable' | 'writable';
  /** The directory whose mode is to be changed. */
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  /** What makes it closed. */
  readonly fix: string;
}

const OTHERS_READ = 0o004;
const OTHERS_WRITE = 0o002;
const OTHERS_ENTER = 0o001;
const STICKY = 0o1000;

/** Undefined: nobody but its owner and its group gets at it, or it is not there yet. @throws what the system says. */
export async function openPlaceOf(directory: string): Promise<OpenPlace | undefined> {
  const path = await realpath(directory).catch(ifThere);
  if (path === undefined) return undefined;
  const [own, above] = await Promise.all([modeOf(path), modeOf(dirname(path))]);
  if (!(await isReachable(dirname(path)))) return undefined;
  const isOpen = (above & OTHERS_WRITE) !== 0 && (above & STICKY) === 0 && dirname(path) !== path;
  if (isOpen) return openPlace('writable', dirname(path), above);
  if ((own & OTHERS_WRITE) !== 0) return openPlace('writable', path, own);
  return (own & OTHERS_READ) === 0 ? undefined : openPlace('readable', path, own);
}

/** @throws LeafwardError `refused` with the command that closes it, where everybody can write. */
export async function refuseOpenPlace(what: string, directory: string): Promise<void> {
  const place = await openPlaceOf(directory);
  if (place?.what !== 'writable') return;
  throw new LeafwardError(
    'refused',
    `${what}: everybody on this host can write into ${place.path} (mode ${place.mode.toString(8)}), and so put ` +
      `other files in the place of a backup; close it: ${place.fix}`,
    { retry: 'later' },
  );
}

function openPlace(what: OpenPlace['what'], path: string, mode: number): OpenPlace {
  return { what, path, mode, fix: `chmod ${what === 'writable' ? 'o-w' : 'o-rwx'} ${path}` };
}

/** Whoever may not enter one directory on the way gets no further. */
async function isReachable(path: string): Promise<boolean> {
  for (let at = path; ; at = dirname(at)) {
    if (((await modeOf(at)) & OTHERS_ENTER) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o7777;
}

function ifThere(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  throw error;
}
