// Where a backup lies while it arrives: beside where it will lie, under a hidden name. Everything is written in order,
// so what is there says from where to go on. Nothing is written through a link or outside of it.
import { constants } from 'node:fs';
import {
  chmod,
  chown,
  lchown,
  lstat,
  mkdir,
  open,
  rm,
  symlink,
  utimes,
  type FileHandle,
} from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  TransferAttributes,
  TransferDirectory,
  TransferPiece,
  TransferWant,
} from '@leafward/shared/gen/domain.js';
import { allocatedBytes } from '../backups/allocated-bytes.js';
import { syncDirectory } from '../journal.js';
import { readTree } from './tree.js';

export interface Staging {
  /** Files as they arrive. */
  readonly files: string;
  readonly manifest: string;
  /** What it takes on the disk by now. */
  bytes(): Promise<number>;
  /** What is still missing. */
  want(): Promise<TransferWant>;
  write(piece: TransferPiece): Promise<void>;
  /** Everything is there: durable, with its directories as they were. */
  finish(directories: readonly TransferDirectory[]): Promise<void>;
  /** Closes what is open; what was written stays. */
  close(): Promise<void>;
  remove(): Promise<void>;
}

const NAME_MAX = 4096;
const MEASURE_MS = 10 * 60_000;
const { O_WRONLY, O_CREAT, O_NOFOLLOW } = constants;

/** `root`: a directory of its own, made if it is not there. Only root keeps owners. */
export async function openStaging(root: string): Promise<Staging> {
  const files = join(root, 'files');
  const manifest = join(root, 'manifest');
  await mkdir(files, { recursive: true, mode: 0o700 });
  const isRoot = process.getuid?.() === 0;
  let current: { readonly name: string; readonly file: FileHandle } | undefined;

  const close = async (): Promise<void> => {
    const before = current;
    current = undefined;
    await before?.file.close();
  };
  const fileFor = async (name: string): Promise<FileHandle> => {
    if (current?.name === name) return current.file;
    await close();
    const path = name === '' ? manifest : await placeFor(files, name);
    current = { name, file: await open(path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0o600) };
    return current.file;
  };
  const settle = async (path: string, attributes: TransferAttributes): Promise<void> => {
    const { mode, userId, groupId, modifiedAt } = attributes;
    if (isRoot) await chown(path, userId, groupId);
    await chmod(path, mode & 0o7777);
    await utimes(path, modifiedAt / 1000, modifiedAt / 1000);
  };
  return {
    files,
    manifest,
    close,
    bytes: () => allocatedBytes(files, AbortSignal.timeout(MEASURE_MS)),
    want: async () => {
      if ((await sizeOf(manifest)) === undefined) return { name: '', offset: 0 };
      const { names } = await readTree(files);
      const name = names.at(-1);
      if (name === undefined) return { name: '', offset: 0 };
      const found = await lstat(join(files, name));
      return { name, offset: found.isSymbolicLink() ? 0 : found.size };
    },
    write: async ({ name, offset, data, zeroBytes, attributes, link }) => {
      if (link !== undefined) {
        const path = await placeFor(files, name);
        await rm(path, { force: true });
        await symlink(link, path);
        if (isRoot && attributes !== undefined)
          await lchown(path, attributes.userId, attributes.groupId);
        return;
      }
      const file = await fileFor(name);
      if (data.length > 0) await writeAll(file, data, offset);
      if (zeroBytes > 0) await file.truncate(offset + data.length + zeroBytes);
      if (attributes === undefined) return;
      await file.truncate(offset + data.length + zeroBytes);
      await file.datasync();
      await close();
      await settle(name === '' ? manifest : join(files, name), attributes);
    },
    finish: async (directories) => {
      await close();
      for (const { name } of directories) await makeDirectories(files, partsOf(files, name));
      // From the deepest up: a parent that nobody may write to is closed last.
      for (const { name, attributes } of [...directories].reverse()) {
        await syncDirectory(join(files, name));
        await settle(join(files, name), attributes);
      }
      await syncDirectory(files);
    },
    remove: async () => {
      await close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** @throws LeafwardError `invalid` for a name that leads out of the directory. */
async function placeFor(root: string, name: string): Promise<string> {
  const parts = partsOf(root, name);
  await makeDirectories(root, parts.slice(0, -1));
  return join(root, ...parts);
}

function partsOf(root: string, name: string): readonly string[] {
  const parts = name.split('/');
  const isSound =
    name.length <= NAME_MAX &&
    !name.includes('\0') &&
    parts.every((part) => part !== '' && part !== '.' && part !== '..');
  if (isSound) return parts;
  throw new LeafwardError('invalid', `receive ${root}: a file is called ${JSON.stringify(name)}`);
}

/** One below the other; never through a link. */
async function makeDirectories(root: string, parts: readonly string[]): Promise<void> {
  let at = root;
  for (const part of parts) {
    at = join(at, part);
    await mkdir(at, { mode: 0o700 }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
    if (!(await lstat(at)).isDirectory())
      throw new LeafwardError('invalid', `receive ${root}: ${at} is no directory`);
  }
}

async function writeAll(file: FileHandle, data: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < data.length;) {
    const { bytesWritten } = await file.write(data, done, data.length - done, offset + done);
    done += bytesWritten;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  return lstat(path).then(
    ({ size }) => size,
    () => undefined,
  );
}

/** Hidden name of a backup that arrives, or of what is left of one. */
export const STAGING_PREFIX = '.leafward-receive-';
