// The backup that a request means, by where it lies: what a host's catalogue has, and nothing else.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Backup } from '@leafward/shared/gen/domain.js';
import type { ActParts } from './parts.js';

/** @throws LeafwardError `not-found` */
export function findBackup(
  what: string,
  path: string,
  { catalogue }: Pick<ActParts, 'catalogue'>,
): Backup {
  const known = catalogue.list().find((one) => one.path === path);
  if (known !== undefined) return known;
  throw new LeafwardError(
    'not-found',
    `${what} the backup ${path}: it is not in this host's catalogue any more`,
  );
}
