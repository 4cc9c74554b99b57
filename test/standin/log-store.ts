// The durable log of a stand-in cell: one append-only file, fsynced per batch, torn tail dropped at open. An
// entry is seen by readers only once it is on disk.
import {
  closeSync,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  write,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';

const writeAsync = promisify(write);
const syncAsync = promisify(fdatasync);

/** Length and checksum before each entry. */
const HEAD_BYTES = 8;

interface Waiting {
  readonly bytes: Buffer;
  readonly done: () => void;
  readonly failed: (error: Error) => void;
}

/** Entries are the bytes of `[offset, [iden, event, args, kwargs, meta]]`. */
export class LogStore {
  #file: number;
  #path: string;
  #first: number;
  readonly #entries: Buffer[];
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;
  readonly #watchers = new Set<() => void>();

  private constructor(
    readonly directory: string,
    found: { path: string; first: number; entries: Buffer[] },
  ) {
    this.#path = found.path;
    this.#first = found.first;
    this.#entries = found.entries;
    this.#file = openSync(found.path, 'a');
  }

  /** The log in `directory`; an empty one begins at `first`. */
  static open(directory: string, first = 0): LogStore {
    mkdirSync(directory, { recursive: true });
    const names = readdirSync(directory).filter((name) => /^seqn[0-9a-f]{16}\.log$/.test(name));
    const name = names.sort().at(-1) ?? nameOf(first);
    for (const old of names) if (old !== name) rmSync(join(directory, old));
    const path = join(directory, name);
    closeSync(openSync(path, 'a'));
    const { entries, goodBytes } = parse(readFileSync(path));
    truncateSync(path, goodBytes);
    return new LogStore(directory, { path, first: Number(`0x${name.slice(4, 20)}`), entries });
  }

  get first(): number {
    return this.#first;
  }

  /** Offset of the next entry that becomes durable. */
  get next(): number {
    return this.#first + this.#entries.length;
  }

  /** Path and size of what is durable, for a backup. */
  get file(): string {
    return this.#path;
  }

  read(offset: number): Buffer | undefined {
    return this.#entries[offset - this.#first];
  }

  /** Resolves with the offset once the entry is on disk. */
  append(make: (offset: number) => Buffer): Promise<number> {
    const offset = this.next + this.#waiting.length;
    return new Promise((resolve, reject) => {
      const bytes = make(offset);
      this.#waiting.push({ bytes, done: () => resolve(offset), failed: reject });
      this.#flushing ??= this.#flush();
    });
  }

  /** When nothing waits for the disk any more. */
  async settled(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
  }

  /** Calls back at each durable batch until the returned function is called. */
  watch(onAppend: () => void): () => void {
    this.#watchers.add(onAppend);
    return () => this.#watchers.delete(onAppend);
  }

  /** True when `next` has passed the offset, false when the time or the signal came first. */
  async waitFor(offset: number, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.next > offset) return true;
    return new Promise((resolve) => {
      const end = (reached: boolean): void => {
        clearTimeout(timer);
        unwatch();
        signal.removeEventListener('abort', abort);
        resolve(reached);
      };
      const abort = (): void => end(false);
      const unwatch = this.watch(() => {
        if (this.next > offset) end(true);
      });
      const timer = setTimeout(() => end(false), timeoutMs);
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  /** Forgets all entries below the offset. */
  async trimBefore(offset: number): Promise<void> {
    await this.settled();
    const first = Math.min(Math.max(offset, this.#first), this.next);
    const kept = this.#entries.slice(first - this.#first);
    const path = join(this.directory, nameOf(first));
    if (path === this.#path) return;
    const temporary = `${path}.tmp`;
    const file = openSync(temporary, 'w');
    for (const entry of kept) writeSync(file, framed(entry));
    fsyncSync(file);
    closeSync(file);
    renameSync(temporary, path);
    closeSync(this.#file);
    rmSync(this.#path);
    this.#entries.splice(0, this.#entries.length, ...kept);
    this.#path = path;
    this.#first = first;
    this.#file = openSync(path, 'a');
  }

  async close(): Promise<void> {
    await this.settled();
    closeSync(this.#file);
  }

  async #flush(): Promise<void> {
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice();
      const { size } = fstatSync(this.#file);
      try {
        await writeAll(this.#file, Buffer.concat(batch.map((waiting) => framed(waiting.bytes))));
        await syncAsync(this.#file);
      } catch (error) {
        // A full disk takes a part: what comes after half an entry would be lost at the next start.
        ftruncateSync(this.#file, size);
        this.#waiting = [];
        for (const waiting of batch) waiting.failed(error as Error);
        break;
      }
      this.#waiting.splice(0, batch.length);
      for (const waiting of batch) this.#entries.push(waiting.bytes);
      for (const waiting of batch) waiting.done();
      for (const watcher of [...this.#watchers]) watcher();
    }
    this.#flushing = undefined;
  }
}

/** A disk that becomes full takes the first part and says nothing. */
async function writeAll(file: number, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await writeAsync(file, bytes, at);
    at += bytesWritten;
  }
}

function nameOf(first: number): string {
  return `seqn${first.toString(16).padStart(16, '0')}.log`;
}

function framed(entry: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(entry.length, 0);
  head.writeUInt32BE(crc32(entry), 4);
  return Buffer.concat([head, entry]);
}

function parse(bytes: Buffer): { entries: Buffer[]; goodBytes: number } {
  const entries: Buffer[] = [];
  let at = 0;
  while (at + HEAD_BYTES <= bytes.length) {
    const length = bytes.readUInt32BE(at);
    const entry = bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length);
    if (entry.length < length || crc32(entry) !== bytes.readUInt32BE(at + 4)) break;
    entries.push(entry);
    at += HEAD_BYTES + length;
  }
  return { entries, goodBytes: at };
}
