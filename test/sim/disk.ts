// A simulated volume. Metadata is an ordered log, as in ext4 and XFS: any fsync commits all that was done before it.
// The data of a file is durable only once that file was synced. A power cut keeps what was committed, and of the
// rest as much as chance will have.
import type { Random } from './random.js';

export interface Inode {
  readonly id: number;
  readonly entries: Map<string, Inode> | undefined;
  data: Buffer;
  durable: Buffer;
  changedAt: number;
}

export type Trouble = 'full' | 'failing' | 'hung';

const TOTAL_BYTES = 400e9;

export class Disk {
  readonly root: Inode;
  trouble: Trouble | undefined;
  /** Added to every sync, milliseconds. */
  slowMs = 0;
  /** Rises at each power cut: what was under way before it is gone. */
  life = 0;
  #nextId = 1;
  #uncommitted: (() => void)[] = [];
  readonly #unsynced = new Set<Inode>();

  constructor(
    readonly name: string,
    readonly random: Random,
  ) {
    this.root = this.inode(true);
  }

  inode(isDirectory: boolean): Inode {
    const id = this.#nextId++;
    const none = Buffer.alloc(0);
    const entries = isDirectory ? new Map<string, Inode>() : undefined;
    return { id, entries, data: none, durable: none, changedAt: 0 };
  }

  freeBytes(): number {
    return this.trouble === 'full' ? 0 : TOTAL_BYTES / 2;
  }

  get totalBytes(): number {
    return TOTAL_BYTES;
  }

  /** @throws the error of a call that would need room, or of a disk that takes nothing. */
  assertWritable(call: string, bytes = 0): void {
    if (this.trouble === 'failing') throw errno('EIO', call);
    if (this.trouble === 'full' && bytes > 0) throw errno('ENOSPC', call);
  }

  setEntry(directory: Inode, name: string, value: Inode | undefined): void {
    const entries = entriesOf(directory);
    const before = entries.get(name);
    put(entries, name, value);
    this.#uncommitted.push(() => put(entries, name, before));
  }

  write(file: Inode, data: Buffer, now: number): void {
    file.data = data;
    file.changedAt = now;
    this.#unsynced.add(file);
  }

  sync(inode: Inode): void {
    this.assertWritable('fsync');
    inode.durable = inode.data;
    this.#unsynced.delete(inode);
    this.#uncommitted = [];
  }

  powerCut(): void {
    const kept = this.random.below(this.#uncommitted.length + 1);
    for (const undo of this.#uncommitted.slice(kept).reverse()) undo();
    for (const file of this.#unsynced) {
      file.data = this.#torn(file);
      file.durable = file.data;
    }
    this.#unsynced.clear();
    this.#uncommitted = [];
    this.trouble = this.trouble === 'hung' ? undefined : this.trouble;
    this.life += 1;
  }

  /** The agent's memory, or a volume, is emptied by somebody. */
  wipe(): void {
    entriesOf(this.root).clear();
    this.#uncommitted = [];
    this.#unsynced.clear();
  }

  #torn({ data, durable }: Inode): Buffer {
    const isLonger =
      data.length > durable.length && data.subarray(0, durable.length).equals(durable);
    if (!isLonger) return this.random.chance(0.5) ? data : durable;
    const extra = this.random.below(data.length - durable.length + 1);
    return data.subarray(0, durable.length + extra);
  }
}

export function entriesOf(inode: Inode, call = 'open'): Map<string, Inode> {
  if (inode.entries === undefined) throw errno('ENOTDIR', call);
  return inode.entries;
}

function put(entries: Map<string, Inode>, name: string, value: Inode | undefined): void {
  if (value === undefined) entries.delete(name);
  else entries.set(name, value);
}

export function errno(code: string, call: string, path = ''): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: simulated, ${call} '${path}'`), { code, syscall: call });
}

/** The same few paths are asked for all the time. */
const known = new Map<string, readonly string[]>();
export function partsOf(path: string): readonly string[] {
  const before = known.get(path);
  if (before !== undefined) return before;
  const names = path.split('/').filter((part) => part !== '');
  if (known.size > 10_000) known.clear();
  known.set(path, names);
  return names;
}

/** What is on it now, for those who look from outside; undefined: no such file. */
export function readNow(disk: Disk, path: string): string | undefined {
  let at: Inode | undefined = disk.root;
  for (const name of partsOf(path)) at = at?.entries?.get(name);
  return at?.data.toString('utf8');
}

/** Written by a service that syncs what it writes; troubles of the disk are played elsewhere. */
export function putNow(disk: Disk, path: string, text: string): void {
  let at = disk.root;
  const names = partsOf(path);
  for (const [index, name] of names.entries()) {
    const entries = entriesOf(at);
    const next = entries.get(name) ?? disk.inode(index < names.length - 1);
    entries.set(name, next);
    at = next;
  }
  at.data = Buffer.from(text);
  at.durable = at.data;
}
