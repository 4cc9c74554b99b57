// What a simulated process gets for node:fs and node:fs/promises: the calls that the agent makes, on its host's
// simulated disks, each answered after a drawn time. One that nobody makes yet is missing on purpose.
import type { Disk } from './disk.js';
import { entriesOf, errno, partsOf, type Inode } from './disk.js';
import { uptimeOf, type Host } from './hosts.js';
import type { Random } from './random.js';
import type { Scheduler, SimProcess } from './scheduler.js';

export interface FileSystemOptions {
  readonly host: Host;
  readonly process: SimProcess;
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** By the first part of a path. */
  readonly diskOf: (path: string) => Disk;
  readonly now: () => number;
}

interface Place {
  readonly disk: Disk;
  readonly parent: Inode;
  readonly name: string;
  readonly inode: Inode | undefined;
}

/** One disk, mounted as the root, in the format of proc_pid_mountinfo(5). */
const MOUNTS = '1 0 8:1 / / rw - ext4 /dev/sda1 rw\n';

/** @throws ENOENT when the directory that should hold it is not there. */
function place(disk: Disk, path: string, call: string): Place {
  const names = partsOf(path);
  let parent = disk.root;
  let inode: Inode | undefined = disk.root;
  for (const name of names) {
    if (inode === undefined) throw errno('ENOENT', call, path);
    parent = inode;
    inode = entriesOf(parent, call).get(name);
  }
  return { disk, parent, name: names.at(-1) ?? '', inode };
}

function existing(disk: Disk, path: string, call: string): Place & { readonly inode: Inode } {
  const found = place(disk, path, call);
  if (found.inode === undefined) throw errno('ENOENT', call, path);
  return { ...found, inode: found.inode };
}

export function makeDirectory(disk: Disk, path: string): string | undefined {
  let at = disk.root;
  let made: string | undefined;
  let done = '';
  for (const name of partsOf(path)) {
    done += `/${name}`;
    let next = entriesOf(at, 'mkdir').get(name);
    if (next === undefined) {
      disk.assertWritable('mkdir', 1);
      next = disk.inode(true);
      disk.setEntry(at, name, next);
      made ??= done;
    }
    at = next;
  }
  return made;
}

interface OpenFile {
  readonly disk: Disk;
  readonly inode: Inode;
  readonly path: string;
  closed: boolean;
}

function openNow(disk: Disk, path: string, flags: string, now: number): OpenFile {
  const found = place(disk, path, 'open');
  let { inode } = found;
  if (flags.startsWith('wx') && inode !== undefined) throw errno('EEXIST', 'open', path);
  if (inode === undefined) {
    if (flags.startsWith('r')) throw errno('ENOENT', 'open', path);
    disk.assertWritable('open', 1);
    inode = disk.inode(false);
    disk.setEntry(found.parent, found.name, inode);
  } else if (flags === 'w') disk.write(inode, Buffer.alloc(0), now);
  return { disk, inode, path, closed: false };
}

const bytesOf = (data: string | Buffer): Buffer =>
  typeof data === 'string' ? Buffer.from(data) : Buffer.from(data);

/** An ordinary call; a sync; both of a healthy disk, milliseconds. */
const CALL_MS = [0.02, 0.4] as const;
const SYNC_MS = [0.3, 4] as const;

class Stat {
  readonly nlink = 1;
  readonly mode = 0o755;
  readonly uid = 0;
  readonly gid = 0;
  constructor(readonly inode: Inode) {}
  get blocks(): number {
    return Math.ceil(this.inode.data.length / 512);
  }
  isDirectory(): boolean {
    return this.inode.entries !== undefined;
  }
  isFile(): boolean {
    return this.inode.entries === undefined;
  }
  isSymbolicLink(): boolean {
    return false;
  }
}

class SmallStat extends Stat {
  readonly dev = 1;
  readonly ino = this.inode.id;
  readonly size = this.inode.data.length;
  readonly mtimeMs = this.inode.changedAt;
}

class BigStat extends Stat {
  readonly dev = 1n;
  readonly ino = BigInt(this.inode.id);
  readonly size = BigInt(this.inode.data.length);
  readonly mtimeNs = BigInt(Math.round(this.inode.changedAt * 1000)) * 1000n;
  readonly ctimeNs = this.mtimeNs;
}

const statOf = (inode: Inode, isBig: boolean): Stat =>
  isBig ? new BigStat(inode) : new SmallStat(inode);

export function createFileSystem(options: FileSystemOptions) {
  const { scheduler, random, process, diskOf, now } = options;
  const call = <T>(path: string, act: (disk: Disk) => T, isSync = false): Promise<T> =>
    new Promise((resolve, reject) => {
      if (!process.alive) return; // the rest of the moment in which it died
      const disk = diskOf(path);
      const life = disk.life;
      const [least, most] = isSync ? SYNC_MS : CALL_MS;
      const wait = random.between(least, most) + (isSync ? disk.slowMs : 0);
      const perform = (): void => {
        if (disk.life !== life) return;
        if (disk.trouble === 'hung') return void scheduler.after(250, perform, process, orphan);
        try {
          resolve(act(disk));
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      // A call that was under way when its process died may have been carried out.
      const orphan = (): void => {
        if (disk.life !== life || disk.trouble === 'hung' || !random.chance(0.5)) return;
        try {
          act(disk);
        } catch {
          // nobody is there to be told
        }
      };
      scheduler.after(wait, perform, process, orphan);
    });
  const handle = (file: OpenFile) => {
    const on = <T>(act: () => T, isSync = false): Promise<T> =>
      call(
        file.path,
        () => {
          if (file.closed) throw errno('EBADF', 'write', file.path);
          return act();
        },
        isSync,
      );
    const append = (data: string | Buffer): void => {
      const bytes = bytesOf(data);
      file.disk.assertWritable('write', bytes.length);
      file.disk.write(file.inode, Buffer.concat([file.inode.data, bytes]), now());
    };
    const sync = (): Promise<void> => on(() => file.disk.sync(file.inode), true);
    return {
      appendFile: (data: string | Buffer) => on(() => append(data)),
      // Only ever to a file that was opened empty.
      writeFile: (data: string | Buffer) => on(() => append(data)),
      // Who may read it is nothing that is simulated.
      chmod: () => Promise.resolve(),
      chown: () => Promise.resolve(),
      stat: () => on(() => statOf(file.inode, false)),
      readFile: () => on(() => Buffer.from(file.inode.data)),
      datasync: sync,
      sync,
      truncate: (length = 0) =>
        on(() => {
          file.disk.assertWritable('ftruncate');
          file.disk.write(file.inode, file.inode.data.subarray(0, length), now());
        }),
      close: () => on(() => void (file.closed = true)),
    };
  };
  const stat = (path: string, how?: { readonly bigint?: boolean }) =>
    call(path, (disk) => statOf(existing(disk, path, 'stat').inode, how?.bigint === true));
  const list = (path: string) =>
    call(path, (disk) =>
      [...entriesOf(existing(disk, path, 'readdir').inode).entries()].map(([name, inode]) => ({
        name,
        parentPath: path,
        isDirectory: () => inode.entries !== undefined,
        isFile: () => inode.entries === undefined,
        isSymbolicLink: () => false,
      })),
    );
  const promises = {
    stat,
    lstat: stat,
    /** Iterable as Node's is; nobody reads it but to its end. */
    opendir: list,
    readlink: (path: string) => call(path, () => Promise.reject(errno('EINVAL', 'readlink', path))),
    open: (path: string, flags = 'r') =>
      call(path, (disk) => handle(openNow(disk, path, flags, now()))),
    readFile: (path: string, encoding?: string) =>
      call(path, (disk) => {
        if (path === '/proc/self/mountinfo') return MOUNTS;
        const { data } = existing(disk, path, 'open').inode;
        return encoding === undefined ? Buffer.from(data) : data.toString('utf8');
      }),
    statfs: (path: string) =>
      call(path, (disk) => {
        existing(disk, path, 'statfs');
        return { bavail: disk.freeBytes() / 4096, blocks: disk.totalBytes / 4096, bsize: 4096 };
      }),
    realpath: (path: string) =>
      call(path, (disk) => {
        existing(disk, path, 'realpath');
        return path;
      }),
    readdir: async (path: string, how?: { readonly withFileTypes?: boolean }) => {
      const found = await list(path);
      return how?.withFileTypes === true ? found : found.map(({ name }) => name).sort();
    },
    mkdir: (path: string) => call(path, (disk) => makeDirectory(disk, path)),
    rename: (from: string, to: string) =>
      call(from, (disk) => {
        const source = existing(disk, from, 'rename');
        const target = place(disk, to, 'rename');
        disk.assertWritable('rename');
        disk.setEntry(target.parent, target.name, source.inode);
        disk.setEntry(source.parent, source.name, undefined);
      }),
    rm: (path: string, how?: { readonly force?: boolean }) =>
      call(path, (disk) => {
        const found = place(disk, path, 'rm');
        if (found.inode === undefined) {
          if (how?.force === true) return;
          throw errno('ENOENT', 'rm', path);
        }
        disk.assertWritable('unlink');
        disk.setEntry(found.parent, found.name, undefined);
      }),
    chmod: () => Promise.resolve(),
    chown: () => Promise.resolve(),
  };
  return { promises, sync: createSyncCalls(options) };
}

/** The few that the permits use, answered at once, and the kernel's clock. */
function createSyncCalls({ host, process, diskOf, now, scheduler }: FileSystemOptions) {
  const opened = new Map<number, OpenFile | 'uptime'>();
  let next = 10;
  const fileOf = (descriptor: number): OpenFile => {
    const file = opened.get(descriptor);
    if (file === undefined || file === 'uptime') throw errno('EBADF', 'write');
    return file;
  };
  return {
    constants: { O_RDWR: 2, O_CREAT: 64, O_RDONLY: 0, O_WRONLY: 1, O_EXCL: 128 },
    openSync: (path: string) => {
      const file = path === '/proc/uptime' ? 'uptime' : openNow(diskOf(path), path, 'a', now());
      opened.set(next, file);
      return next++;
    },
    closeSync: (descriptor: number) => void opened.delete(descriptor),
    readSync: (descriptor: number, target: Buffer) => {
      if (opened.get(descriptor) !== 'uptime') throw errno('EBADF', 'read');
      return target.write(`${(uptimeOf(host, scheduler.now) / 1000).toFixed(2)} 0.00\n`, 'latin1');
    },
    mkdirSync: (path: string) => makeDirectory(diskOf(path), path),
    existsSync: (path: string) => place(diskOf(path), path, 'stat').inode !== undefined,
    readdirSync: (path: string) =>
      [...entriesOf(existing(diskOf(path), path, 'readdir').inode).keys()].sort(),
    writeFileSync: (path: string, text: string) => {
      const disk = diskOf(path);
      if (!process.alive) return;
      disk.assertWritable('write', text.length);
      disk.write(openNow(disk, path, 'w', now()).inode, Buffer.from(text), now());
    },
    renameSync: (from: string, to: string) => {
      const disk = diskOf(from);
      const source = existing(disk, from, 'rename');
      const target = place(disk, to, 'rename');
      if (!process.alive) return;
      disk.setEntry(target.parent, target.name, source.inode);
      disk.setEntry(source.parent, source.name, undefined);
    },
    rmSync: (path: string) => {
      const disk = diskOf(path);
      const found = place(disk, path, 'rm');
      if (found.inode !== undefined && process.alive)
        disk.setEntry(found.parent, found.name, undefined);
    },
    readFileSync: (path: string) =>
      existing(diskOf(path), path, 'open').inode.data.toString('utf8'),
    writeSync: (descriptor: number, data: Buffer, offset: number, length: number, at: number) => {
      const { disk, inode } = fileOf(descriptor);
      if (!process.alive) return length;
      disk.assertWritable('write', length);
      const bytes = Buffer.alloc(Math.max(inode.data.length, at + length));
      inode.data.copy(bytes);
      data.copy(bytes, at, offset, offset + length);
      disk.write(inode, bytes, now());
      return length;
    },
    ftruncateSync: (descriptor: number, length: number) => {
      const { disk, inode } = fileOf(descriptor);
      if (process.alive) disk.write(inode, inode.data.subarray(0, length), now());
    },
  };
}
