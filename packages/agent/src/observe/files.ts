// Which of the files and directories that a member mounts are not on this host. Reads only; never throws.
import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { MemberSpec, Mount } from '@leafward/shared/gen/domain.js';
import type { SingleFlight } from '../checks/single-flight.js';

const DEADLINE_MS = 2000;

/** What is mounted for writing and is no file is made by the runtime where it is not there. */
export async function missingFiles(
  { mounts }: Pick<MemberSpec, 'mounts'>,
  once: SingleFlight,
): Promise<readonly string[] | undefined> {
  const wanted = mounts.filter((mount) => mount.readOnly || isFile(mount));
  const found = await Promise.all(wanted.map(({ source }) => isThere(source, once)));
  const missing = wanted.filter((_, index) => found[index] === false);
  return missing.length === 0 ? undefined : missing.map(({ source }) => source);
}

/** By its name: homeserver.yaml, signing.key; a directory like conf.d is none. */
function isFile({ source, target }: Mount): boolean {
  const ends = [source, target].map((path) => extname(basename(path)));
  return ends.every((end) => end !== '' && end !== '.d');
}

/** One that does not answer in time, or that may not be looked at, may be there. */
async function isThere(path: string, once: SingleFlight): Promise<boolean> {
  const look = (): Promise<boolean> =>
    stat(path).then(
      () => true,
      (error: unknown) => {
        const { code = '' } = error as NodeJS.ErrnoException;
        return code !== 'ENOENT' && code !== 'ENOTDIR';
      },
    );
  return once(`stat ${path}`, look, { deadlineMs: DEADLINE_MS }).catch(() => true);
}
