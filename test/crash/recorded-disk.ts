// What a piece of code changes below a directory, call by call, and the states in which a power cut may leave it: replayed
// on the simulated disk, which loses what was not synced, and written back to where it was. Changes nothing elsewhere.
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { readlinkSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Disk, entriesOf, partsOf, type Inode } from '../sim/disk.js';
import type { Random } from '../sim/random.js';

export type Change =
  | { readonly kind: 'directory' | 'file' | 'sync' | 'gone'; readonly path: string }
  | { readonly kind: 'content'; readonly path: string; readonly data: Buffer }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string };

type Calls = Record<string, (...args: readonly unknown[]) => Promise<unknown>>;
const calls = createRequire(import.meta.url)('node:fs/promises') as Calls;

/** Runs `work` and returns what it changed below `root`, in order. One at a time in a process. */
export async function recordChanges(
  root: string,
  work: (mark: () => number) => Promise<void>,
): Promise<readonly Change[]> {
  const changes: Change[] = [];
  const note = (change: Change): void => {
    if (change.path.startsWith(`${root}/`)) changes.push(change);
  };
  const handles = new WeakMap<object, string>();
  const before = { ...calls };
  const prototype = await handlePrototype(root);
  const handleBefore = { writeFile: prototype['writeFile'], sync: prototype['sync'] };
  const datasync = prototype['datasync'];
  const wrap = (name: string, after: (args: readonly unknown[], result: unknown) => void): void => {
    const original = before[name];
    if (original === undefined) throw new Error(`there is no ${name}`);
    calls[name] = async (...args) => {
      const isPath = (index: number): boolean => index === 0 || name === 'rename';
      const seen = args.map((arg, index) =>
        typeof arg === 'string' && isPath(index) ? realPath(arg) : arg,
      );
      const result = await original(...args);
      after(seen, result);
      return result;
    };
  };
  wrap('open', ([path, flags], handle) => {
    handles.set(handle as object, path as string);
    if (typeof flags === 'string' && flags.startsWith('w'))
      note({ kind: 'file', path: path as string });
  });
  wrap('mkdir', ([path], made) => {
    if (made !== undefined) note({ kind: 'directory', path: path as string });
  });
  wrap('rename', ([path, to]) => note({ kind: 'rename', path: path as string, to: to as string }));
  for (const name of ['rm', 'rmdir', 'unlink'])
    wrap(name, ([path]) => note({ kind: 'gone', path: path as string }));
  prototype['writeFile'] = async function (this: FileHandle, data: unknown, ...rest) {
    await handleBefore.writeFile?.call(this, data, ...rest);
    const path = handles.get(this) ?? '';
    note({ kind: 'content', path, data: Buffer.from(data as string | Buffer) });
  };
  for (const [name, original] of [
    ['sync', handleBefore.sync],
    ['datasync', datasync],
  ] as const)
    prototype[name] = async function (this: FileHandle) {
      await original?.call(this);
      note({ kind: 'sync', path: handles.get(this) ?? '' });
    };
  syncBuiltinESMExports();
  try {
    await work(() => changes.length);
  } finally {
    Object.assign(calls, before);
    Object.assign(prototype, { ...handleBefore, datasync });
    syncBuiltinESMExports();
  }
  return changes;
}

async function handlePrototype(root: string): Promise<Calls> {
  const handle = await open(root, 'r');
  await handle.close();
  return Object.getPrototypeOf(handle) as Calls;
}

/** An entry of an open directory is reached through its handle. */
function realPath(path: string): string {
  const [, handle, rest = ''] = /^(\/proc\/self\/fd\/\d+)(\/.*)?$/.exec(path) ?? [];
  return handle === undefined ? resolve(path) : join(readlinkSync(handle), rest);
}

/** After so many of the changes the power goes, and `random` says what of the rest had got to the disk. */
export function cutAfter(changes: readonly Change[], count: number, random: Random): Disk {
  const disk = new Disk('cut', random);
  for (const change of changes.slice(0, count)) play(disk, change);
  disk.powerCut();
  return disk;
}

function play(disk: Disk, change: Change): void {
  const parent = directoryOf(disk, dirname(change.path));
  const name = partsOf(change.path).at(-1) ?? '';
  const found = entriesOf(parent).get(name);
  switch (change.kind) {
    case 'directory':
      directoryOf(disk, change.path);
      return;
    case 'file':
      disk.setEntry(parent, name, disk.inode(false));
      return;
    case 'content':
      if (found !== undefined) disk.write(found, change.data, 0);
      return;
    case 'sync':
      disk.sync(found ?? disk.root);
      return;
    case 'gone':
      if (found !== undefined) disk.setEntry(parent, name, undefined);
      return;
    case 'rename': {
      const to = directoryOf(disk, dirname(change.to));
      disk.setEntry(to, partsOf(change.to).at(-1) ?? '', found);
      disk.setEntry(parent, name, undefined);
      return;
    }
  }
}

function directoryOf(disk: Disk, path: string): Inode {
  let at = disk.root;
  for (const name of partsOf(path)) {
    const next = entriesOf(at).get(name) ?? disk.inode(true);
    if (!entriesOf(at).has(name)) disk.setEntry(at, name, next);
    at = next;
  }
  return at;
}

/** Files with their content below a directory of it, and directories that are empty with none. */
export function contentOf(disk: Disk, root: string): ReadonlyMap<string, Buffer | undefined> {
  const found = new Map<string, Buffer | undefined>();
  const walk = (at: Inode, path: string): void => {
    if (at.entries === undefined) found.set(path, at.data);
    else {
      found.set(path, undefined);
      for (const [name, inode] of at.entries) walk(inode, join(path, name));
    }
  };
  let at: Inode | undefined = disk.root;
  for (const name of partsOf(root)) at = at?.entries?.get(name);
  if (at !== undefined) walk(at, root);
  return found;
}
