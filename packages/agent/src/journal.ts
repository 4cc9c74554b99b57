// The agent's memory: an append-only file, fsynced before anything is done. A record that was appended is
// on the disk when the promise resolves. Must never act, and never hand out a state that is not durable.
import { open, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { Logger } from '@leafward/shared/log.js';
import { fold } from './journal/fold.js';
import { decodeRecords, encodeRecord } from './journal/lines.js';
import { isFull, keepReserve, releaseReserve } from './journal/reserve.js';
import { emptyState, type JournalRecord, type JournalState } from './journal/records.js';

export type { JournalRecord, JournalState } from './journal/records.js';

/** A journal longer than this is made anew from its state. A state is a few kB; records some hundred bytes. */
const COMPACT_BYTES = 1024 * 1024;

export interface Journal {
  /** What is on the disk. */
  readonly state: JournalState;
  /**
   * @throws AssertionError when the record is illegal now; LeafwardError `exhausted` or `failed` when it
   * could not be written: then nothing has changed and nothing may be done.
   */
  append(record: JournalRecord): Promise<JournalState>;
  close(): Promise<void>;
}

/** @throws LeafwardError `failed` when the middle of the file is damaged. */
export async function openJournal(path: string, log: Logger): Promise<Journal> {
  const bytes = await readIfThere(path);
  const { records, wholeBytes } = decodeRecords(bytes, path);
  if (wholeBytes < bytes.length)
    log.warn({ path, lostBytes: bytes.length - wholeBytes }, 'dropped the torn end of the journal');
  const journal = new FileJournal(path, records.reduce(fold, emptyState));
  await journal.begin(wholeBytes);
  return journal;
}

/** The state without opening it for writing, for `status`. */
export async function readJournal(path: string): Promise<JournalState> {
  return decodeRecords(await readIfThere(path), path).records.reduce(fold, emptyState);
}

async function readIfThere(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw new LeafwardError('failed', `read the journal ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

class FileJournal implements Journal {
  #state: JournalState;
  #file: FileHandle | undefined;
  #bytes = 0;
  #compactAt = COMPACT_BYTES;
  #reserveReleased = false;
  /** True while there may be a part of a record behind `#bytes`. */
  #torn = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    readonly path: string,
    state: JournalState,
  ) {
    this.#state = state;
  }

  get state(): JournalState {
    return this.#state;
  }

  async begin(wholeBytes: number): Promise<void> {
    this.#file = await open(this.path, 'a+', 0o600);
    await this.#file.truncate(wholeBytes);
    await this.#file.datasync();
    await syncDirectory(dirname(this.path));
    this.#bytes = wholeBytes;
    await keepReserve(this.path);
  }

  append(record: JournalRecord): Promise<JournalState> {
    const turn = this.#last.then(() => this.#write(record));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#file?.close();
    this.#file = undefined;
  }

  async #write(record: JournalRecord): Promise<JournalState> {
    const next = fold(this.#state, record);
    if (this.#file === undefined)
      throw new LeafwardError('aborted', `write the journal ${this.path}: it is closed`);
    const line = encodeRecord(record);
    try {
      await this.#put(this.#file, line).catch(async (error: unknown) => {
        if (!isFull(error) || this.#file === undefined) throw error;
        if (!(await releaseReserve(this.path))) throw error;
        this.#reserveReleased = true;
        await this.#put(this.#file, line);
      });
    } catch (error) {
      throw writeFailed(this.path, error);
    }
    this.#bytes += line.length;
    this.#state = next;
    if (this.#bytes > this.#compactAt) await this.#compact();
    if (this.#reserveReleased) this.#reserveReleased = !(await keepReserve(this.path));
    return next;
  }

  async #put(file: FileHandle, line: Buffer): Promise<void> {
    if (this.#torn) await file.truncate(this.#bytes);
    this.#torn = true; // until the whole line is on the disk
    await file.appendFile(line);
    await file.datasync();
    this.#torn = false;
  }

  /** A new file with one record, renamed into place: at every instant one whole journal is there. */
  async #compact(): Promise<void> {
    const line = encodeRecord({ kind: 'snapshot', state: this.#state });
    const temporary = `${this.path}.new`;
    let file: FileHandle | undefined;
    try {
      await rm(temporary, { force: true });
      file = await open(temporary, 'a+', 0o600);
      await file.appendFile(line);
      await file.datasync();
      await rename(temporary, this.path);
    } catch {
      // The long journal is as good; it is tried again when it has grown, not at each record.
      this.#compactAt = this.#bytes + COMPACT_BYTES;
      await file?.close().catch(() => undefined);
      await rm(temporary, { force: true }).catch(() => undefined);
      return;
    }
    await this.#file?.close().catch(() => undefined);
    this.#file = file;
    this.#bytes = line.length;
    // A state may be large by itself: then it is not written anew for each record.
    this.#compactAt = Math.max(COMPACT_BYTES, 2 * line.length);
    // The record is durable in both files: which of them a crash leaves is all the same.
    await syncDirectory(dirname(this.path)).catch(() => undefined);
  }
}

function writeFailed(path: string, error: unknown): LeafwardError {
  const full = isFull(error);
  return new LeafwardError(
    full ? 'exhausted' : 'failed',
    `write the journal ${path}: ${messageOf(error)}; nothing was done. ` +
      (full ? 'Free space on its volume' : 'Check its volume'),
    { retry: 'later', cause: error },
  );
}

/** Makes a rename or a new file in the directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
