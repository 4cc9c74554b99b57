// A backup of this host sent to another one. A stream that breaks is opened again: the other end says from where to go on.
import { LeafwardError } from '@leafward/shared/errors.js';
import { createPace } from '../../backups/pace.js';
import { whileHeld } from '../../backups/pins.js';
import { manifestPathOf } from '../../backups/place.js';
import type { Result } from '../../requests.js';
import { withLine } from '../../transfer/again.js';
import { sendBackup as send } from '../../transfer/send.js';
import type { Kind, Turn } from './parts.js';

/** @throws LeafwardError `not-found`, `unavailable`, what the other end says. */
export async function sendBackup(
  { path, transfer, bytesPerSecond }: Kind<'send-backup'>,
  { parts, onProgress, signal }: Turn,
): Promise<Result> {
  const backup = parts.catalogue.list().find((one) => one.path === path);
  if (backup === undefined)
    throw new LeafwardError(
      'not-found',
      `send the backup ${path}: it is not in this host's catalogue any more`,
    );
  const manifestPath = manifestPathOf(path);
  await whileHeld(parts.pins, path, () =>
    withLine({ parts, transfer, sends: true, onProgress, signal }, (line) => {
      const pace = createPace(parts.clock, bytesPerSecond);
      return send({ backup, manifestPath, line, pace, onProgress, signal });
    }),
  );
  return { message: `${backup.name} is at the other host` };
}
