// Who on this host can get at a directory of backups: they hold private keys, and whoever can write there can put others
// in their place. Reads modes, changes nothing.
import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import { nearestExisting } from './place.js';

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

/** Undefined: nobody but its owner and its group gets at it, now or when it is made. @throws what the system says. */
export async function openPlaceOf(directory: string): Promise<OpenPlace | undefined> {
  const there = await nearestExisting(directory);
  const modes = await modesUpFrom(await realpath(there));
  return judgePlace(there === directory ? modes : [{ path: directory, mode: 0o700 }, ...modes]);
}

interface ModeAt {
  readonly path: string;
  readonly mode: number;
}

/** The directory itself first, the root of all last: whoever may not enter one on the way gets no further. */
export function judgePlace([own, ...above]: readonly ModeAt[]): OpenPlace | undefined {
  if (own === undefined || above.some(({ mode }) => (mode & OTHERS_ENTER) === 0)) return undefined;
  const [parent] = above;
  const isLoose = ({ mode }: ModeAt): boolean =>
    (mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0;
  if (parent !== undefined && isLoose(parent)) return openPlace('writable', parent);
  if ((own.mode & OTHERS_WRITE) !== 0) return openPlace('writable', own);
  return (own.mode & OTHERS_READ) === 0 ? undefined : openPlace('readable', own);
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

function openPlace(what: OpenPlace['what'], { path, mode }: ModeAt): OpenPlace {
  return { what, path, mode, fix: `chmod ${what === 'writable' ? 'o-w' : 'o-rwx'} ${path}` };
}

async function modesUpFrom(path: string): Promise<readonly ModeAt[]> {
  const found: ModeAt[] = [];
  for (let at = path; ; at = dirname(at)) {
    found.push({ path: at, mode: (await stat(at)).mode & 0o7777 });
    if (at === dirname(at)) return found;
  }
}
