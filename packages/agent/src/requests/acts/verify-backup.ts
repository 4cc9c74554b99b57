// A backup of this host read again. Touches no member, so it goes on beside whatever is done to one.
import { whileHeld } from '../../backups/pins.js';
import type { Result } from '../../requests.js';
import { findBackup } from './find-backup.js';
import type { Kind, Turn } from './parts.js';

/** @throws LeafwardError `not-found`, what the catalogue throws. */
export async function verifyBackup(
  { path, bytesPerSecond }: Kind<'verify-backup'>,
  { parts, onProgress, signal }: Turn,
): Promise<Result> {
  const known = findBackup('verify', path, parts);
  return whileHeld(parts.pins, path, async () => ({
    backup: await parts.catalogue.verify(known, { onProgress, bytesPerSecond }, signal),
  }));
}
