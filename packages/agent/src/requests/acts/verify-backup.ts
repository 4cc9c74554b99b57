// A backup of this host read again. Touches no member, so it goes on beside whatever is done to one.
import { LeafwardError } from '@leafward/shared/errors.js';
import { whileHeld } from '../../backups/pins.js';
import type { Result } from '../../requests.js';
import type { Kind, Turn } from './parts.js';

/** @throws LeafwardError `not-found`, what the catalogue throws. */
export async function verifyBackup(
  { path, bytesPerSecond }: Kind<'verify-backup'>,
  { parts, onProgress, signal }: Turn,
): Promise<Result> {
  const { catalogue } = parts;
  const known = catalogue.list().find((one) => one.path === path);
  if (known === undefined)
    throw new LeafwardError(
      'not-found',
      `verify the backup ${path}: it is not in this host's catalogue any more`,
    );
  return whileHeld(parts.pins, path, async () => ({
    backup: await catalogue.verify(known, { onProgress, bytesPerSecond }, signal),
  }));
}
