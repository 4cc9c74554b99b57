// The backup that fills a storage, by its name among those of its service that are whole and lie on this host. Changes
// nothing.
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Backup, MemberIntent } from '@leafward/shared/gen/domain.js';
import { isWithin } from '../checks/mounts.js';
import { realPathOf } from '../marker.js';
import { backupsWithin } from '../storage-content.js';
import type { Catalogue } from './catalogue.js';

export interface NamedBackup {
  /** As 'restore 00.cortex'. */
  readonly what: string;
  readonly name: string;
  readonly intent: Pick<MemberIntent, 'service' | 'spec'>;
}

/** @throws LeafwardError `not-found`, or `refused` for one that would be emptied with the storage. */
export async function backupNamed(
  { what, name, intent: { service, spec } }: NamedBackup,
  catalogue: Pick<Catalogue, 'list' | 'refresh'>,
): Promise<Backup> {
  const isMeant = (one: Backup): boolean => one.service === service && one.name === name;
  if (!catalogue.list().some(isMeant)) await catalogue.refresh([]);
  const found = catalogue.list().find(isMeant);
  if (found === undefined)
    throw new LeafwardError(
      'not-found',
      `${what}: this host has no backup ${name} of ${service}; nothing was touched`,
    );
  const [storage, path] = await Promise.all([spec.storage, found.path].map(realPathOf));
  const kept = (await backupsWithin(spec)).map((entry) => join(storage ?? '', entry));
  if (isWithin(path ?? '', storage ?? '') && !kept.some((one) => isWithin(path ?? '', one)))
    throw new LeafwardError(
      'refused',
      `${what}: the backup lies in the storage that is emptied, at ${found.path}; move it out`,
    );
  return found;
}
