// A cell from one of its live backups: the backup is a whole cell directory. Must never touch the backup.
import { cp, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';
import { writeRole } from './stored-role.js';

/** `spec.storage` is there and empty but for Leafward's own files. It leads afterwards. */
export async function restore(
  spec: MemberSpec,
  options: { readonly backupPath: string; readonly onProgress: (text: string) => void },
  signal: AbortSignal,
): Promise<void> {
  const { backupPath, onProgress } = options;
  await mkdir(spec.storage, { recursive: true });
  for (const name of await readdir(backupPath)) {
    if (name.startsWith('.leafward')) continue;
    if (signal.aborted)
      throw new LeafwardError('aborted', `restore ${spec.storage}: stopped by the caller`);
    onProgress(`copying ${name}`);
    await cp(join(backupPath, name), join(spec.storage, name), {
      recursive: true,
      preserveTimestamps: true,
      errorOnExist: true,
      force: false,
    });
  }
  await writeRole(spec, { role: 'leader' });
}
