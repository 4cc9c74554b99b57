// A volume of its own for one directory of a host, with a file system in a file of this machine: it can be filled to the
// last block and made to hang, and comes back as it was. Mounted below the rig's directory, so whoever removes that one
// removes this one as well.
import { writeFileSync } from 'node:fs';
import { mkdir, rm, statfs, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, tryRun } from './processes.js';

export interface HostVolume {
  /** Takes what is free, to the last block, until `release`. */
  fill(): Promise<void>;
  release(): Promise<void>;
  /** From now on nothing that writes to it comes back, until `thaw`. */
  hang(): Promise<void>;
  thaw(): Promise<void>;
}

const FILLER = '.filler';

/** Makes the file system in `file` and mounts it on `directory`, which is empty. */
export async function makeVolume(options: {
  readonly file: string;
  readonly directory: string;
  readonly sizeBytes: number;
}): Promise<HostVolume> {
  const { file, directory, sizeBytes } = options;
  await mkdir(directory, { recursive: true });
  await writeFile(file, '');
  await truncate(file, sizeBytes);
  // Nothing is kept back for root: what is full is full for the agent as well.
  await run(['mkfs.ext4', '-q', '-F', '-m', '0', file]);
  await run(['mount', '-o', 'loop', file, directory]);
  const filler = join(directory, FILLER);
  return {
    fill: async () => {
      const { bavail, bsize } = await statfs(directory);
      // Reserved at once; then whatever is left, or was freed meanwhile, is written full.
      await tryRun(['fallocate', '--length', String(bavail * bsize), filler]);
      fillUp(filler);
    },
    release: () => rm(filler, { force: true }),
    hang: async () => {
      await run(['fsfreeze', '--freeze', directory]);
    },
    thaw: async () => {
      await run(['fsfreeze', '--unfreeze', directory]);
    },
  };
}

const BLOCK = Buffer.alloc(4096);

/** Up to the first write that is refused. */
function fillUp(path: string): void {
  try {
    for (;;) writeFileSync(path, BLOCK, { flag: 'a' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

/** What a killed run has left hanging can be unmounted by nobody. */
export async function thawBelow(mounts: readonly string[]): Promise<void> {
  for (const mount of mounts) await tryRun(['fsfreeze', '--unfreeze', mount]);
}
