// A copy of a backup of this host is booted where nothing can reach it, and what came of it is recorded with the backup.
// Touches no member.
import { LeafwardError } from '@leafward/shared/errors.js';
import { whileHeld } from '../../backups/pins.js';
import type { Result } from '../../requests.js';
import { intentOf, type Kind, type Turn } from './parts.js';

/** @throws LeafwardError `not-found`, `refused`, `exhausted` with figures; a copy that does not come up is a result. */
export async function drillBackup(
  request: Kind<'drill-backup'>,
  { parts, onProgress, signal }: Turn,
): Promise<Result> {
  const { path, timeoutMs } = request;
  const { catalogue, drills, pins } = parts;
  const intent = intentOf(request, parts);
  const backup = catalogue.list().find((one) => one.path === path);
  if (backup === undefined || backup.service !== intent.service)
    throw new LeafwardError(
      'not-found',
      `drill the backup ${path}: this host's catalogue has none of ${intent.service} there`,
    );
  const image = request.image ?? intent.spec.image;
  const isRehearsal = image.digest !== intent.spec.image.digest;
  const drill = await whileHeld(pins, path, () =>
    drills.run({ backup, intent, image, timeoutMs }, onProgress, signal),
  );
  if (isRehearsal) return { rehearsal: drill };
  const drilled = await catalogue.amend(path, (now) => ({ ...now, drill }));
  if (drilled !== undefined) return { backup: drilled };
  throw new LeafwardError('failed', `drill ${path}: it was removed meanwhile`);
}
