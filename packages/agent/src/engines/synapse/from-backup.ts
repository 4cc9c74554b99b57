// A mirror made of a backup of its service: the backup without the role of the cell that it is of, and with the
// certificates, the settings and the proof of provisioning that are the mirror's own. Must never touch the backup.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';
import { isThere } from '../../backups/place.js';
import { copyTree } from '../../copy-tree.js';
import { copyBackup, type CopyingBackup } from './restore.js';
import { writeRole } from './stored-role.js';

/** A cell's name, keys and ports: of the one that took the backup they would make it two of one name. */
const OWN = ['certs', 'cell.yaml', 'prov.done', 'sslcert.pem', 'sslkey.pem'];
/** Without these a cell of a network is nobody there. */
const NEEDED = ['certs', 'prov.done'];
/** Says whom it mirrors, if anybody; written anew. */
const ROLE = 'cell.mods.yaml';

/** @throws LeafwardError `refused` when the cell has no place of its own in the network that the backup is of. */
export async function keepOwn(
  spec: MemberSpec,
  { to, backupPath }: { readonly to: string; readonly backupPath: string },
  signal: AbortSignal,
): Promise<void> {
  for (const name of NEEDED) {
    const isLacking = !(await isThere(join(spec.storage, name)));
    if (!isLacking || !(await isThere(join(backupPath, name)))) continue;
    throw new LeafwardError(
      'refused',
      `fill ${spec.storage} from ${backupPath}: the backup is of a cell that was provisioned, and this one has no ` +
        `${name} of its own; nothing was touched. Reseed it without a backup, so that it is provisioned`,
    );
  }
  await copyOwn(spec.storage, to, signal);
}

/** `ownPath`: where `keepOwn` put them. The storage is there and empty but for Leafward's own files. */
export async function fillFromBackup(
  spec: MemberSpec,
  {
    ownPath,
    upstreamUrl,
    ...copying
  }: CopyingBackup & { readonly ownPath: string; readonly upstreamUrl: string },
  signal: AbortSignal,
): Promise<void> {
  await copyBackup(spec, copying, (name) => name === ROLE || OWN.includes(name), signal);
  await copyOwn(ownPath, spec.storage, signal);
  await writeRole(spec, { role: 'mirror', upstreamUrl });
}

async function copyOwn(from: string, to: string, signal: AbortSignal): Promise<void> {
  await mkdir(to, { recursive: true });
  await copyTree(
    {
      from,
      to,
      keepExisting: false,
      links: true,
      durable: true,
      leavesOut: (name) => !OWN.includes(name),
      onFile: () => undefined,
    },
    signal,
  );
}
