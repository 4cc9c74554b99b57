// A cell from one of its live backups: the backup is a whole cell directory. Must never touch the backup.
import { mkdir } from 'node:fs/promises';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';
import { isThere } from '../../backups/place.js';
import { copyTree } from '../../copy-tree.js';
import { writeRole } from './stored-role.js';

/** Told now and then: a cell has some hundred files. */
const TELL_EVERY_BYTES = 256 * 1024 * 1024;

export interface CopyingBackup {
  readonly backupPath: string;
  readonly onProgress: (text: string) => void;
}

/** `spec.storage` is there and empty but for Leafward's own files. It leads afterwards. @throws what copyTree throws */
export async function restore(
  spec: MemberSpec,
  copying: CopyingBackup,
  signal: AbortSignal,
): Promise<void> {
  await copyBackup(spec, copying, () => false, signal);
  await writeRole(spec, { role: 'leader' });
}

/** All of it but what is left out at its top. @throws LeafwardError `not-found`, what copyTree throws */
export async function copyBackup(
  spec: MemberSpec,
  { backupPath, onProgress }: CopyingBackup,
  leavesOut: (name: string) => boolean,
  signal: AbortSignal,
): Promise<void> {
  if (!(await isThere(backupPath)))
    throw new LeafwardError('not-found', `restore ${spec.storage}: there is no ${backupPath}`);
  await mkdir(spec.storage, { recursive: true });
  let told = 0;
  await copyTree(
    {
      from: backupPath,
      to: spec.storage,
      keepExisting: false,
      links: true,
      durable: true,
      leavesOut: (name) => name.startsWith('.leafward') || leavesOut(name),
      onFile: (bytes) => {
        if (bytes - told < TELL_EVERY_BYTES && told > 0) return;
        told = bytes;
        onProgress(`copied ${(bytes / 1e6).toFixed(0)} MB`);
      },
    },
    signal,
  );
}
