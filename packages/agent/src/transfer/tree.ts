// What lies in a backup, in the one order in which it is sent: directories with their attributes, then files by name.
import type { BigIntStats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { TransferAttributes, TransferDirectory } from '@leafward/shared/gen/domain.js';

export interface BackupTree {
  readonly directories: readonly TransferDirectory[];
  /** Files and links, relative, sorted by their bytes. */
  readonly names: readonly string[];
}

/** More than this is no backup. */
const MOST_ENTRIES = 200_000;
/** All of them go in one message. */
const MOST_DIRECTORIES = 10_000;
const MODE_BITS = 0o7777n;

/** @throws LeafwardError `failed` for what no backup has. */
export async function readTree(root: string): Promise<BackupTree> {
  const directories: TransferDirectory[] = [];
  const names: string[] = [];
  const walk = async (at: string): Promise<void> => {
    for (const entry of await readdir(join(root, at), { withFileTypes: true })) {
      const name = at === '' ? entry.name : `${at}/${entry.name}`;
      if (entry.isDirectory()) {
        directories.push({ name, attributes: attributesOf(await stats(join(root, name))) });
        await walk(name);
      } else if (entry.isFile() || entry.isSymbolicLink()) names.push(name);
      if (names.length > MOST_ENTRIES || directories.length > MOST_DIRECTORIES)
        throw new LeafwardError('failed', `send ${root}: it has more files than any backup`);
    }
  };
  await walk('');
  return { directories: directories.sort(byName), names: names.sort(compare) };
}

export const compare = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b));
const byName = (a: TransferDirectory, b: TransferDirectory): number => compare(a.name, b.name);

export const stats = (path: string): Promise<BigIntStats> => lstat(path, { bigint: true });

export function attributesOf({ mode, uid, gid, mtimeMs }: BigIntStats): TransferAttributes {
  return {
    mode: Number(mode & MODE_BITS),
    userId: Number(uid),
    groupId: Number(gid),
    modifiedAt: Number(mtimeMs),
  };
}
