// Puts a chain and its key where a cell's HTTPS listener reads them: both or none, whatever is cut off in the middle.
// Both are whole and on the disk in a directory beside them before the first one is moved; from then on only the end is
// right, and whoever comes next goes on to it.
import { chmod, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { syncDirectory } from '../../../journal.js';

/** As the guide names them, in the storage. */
export const HTTPS_CERTIFICATE = 'sslcert.pem';
export const HTTPS_KEY = 'sslkey.pem';
const READY = '.leafward-https';
const BEGUN = '.leafward-https.new';

export interface HttpsFiles {
  readonly chainPem: string;
  readonly keyPem: string;
}

/** The key is the storage's owner's alone. @throws LeafwardError `failed`; nothing was changed then, or all will be. */
export async function installHttps(storage: string, files: HttpsFiles): Promise<void> {
  try {
    await finishHttps(storage);
    const owner = await stat(storage);
    const begun = join(storage, BEGUN);
    await rm(begun, { recursive: true, force: true });
    await mkdir(begun, { mode: 0o700 });
    await write(join(begun, HTTPS_KEY), files.keyPem, 0o600, owner);
    await write(join(begun, HTTPS_CERTIFICATE), files.chainPem, 0o644, owner);
    await syncDirectory(begun);
    await rename(begun, join(storage, READY));
    await syncDirectory(storage);
    await finishHttps(storage);
  } catch (error) {
    if (error instanceof LeafwardError) throw error;
    throw new LeafwardError('failed', `install a certificate in ${storage}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Ends an installation that was cut off; true: there was one that had all it needs. @throws what the disk says. */
export async function finishHttps(storage: string): Promise<boolean> {
  await rm(join(storage, BEGUN), { recursive: true, force: true });
  const ready = join(storage, READY);
  const found = await readdir(ready).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return false;
  for (const name of [HTTPS_KEY, HTTPS_CERTIFICATE])
    if (found.includes(name)) await rename(join(ready, name), join(storage, name));
  await syncDirectory(storage);
  await rmdir(ready);
  return true;
}

async function write(
  path: string,
  text: string,
  mode: number,
  owner: { readonly uid: number; readonly gid: number },
): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    if (process.getuid?.() === 0) await file.chown(owner.uid, owner.gid);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await chmod(path, mode); // whatever the umask took away
}
