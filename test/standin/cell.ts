// A stand-in cell's state: its log, its role, and how a write gets into the log.
import { join } from 'node:path';
import type { Aha } from './aha.js';
import type { LogStore } from './log-store.js';
import { pack, type Packable } from './pack.js';
import { newIden } from './cell-files.js';
import { Users } from './users.js';
import type { Settings } from './settings.js';

/** An error that goes over the wire as `[errname, {ename, …}]`. */
export class WireError extends Error {
  constructor(
    readonly errname: string,
    readonly info: Readonly<Record<string, Packable>>,
  ) {
    super(`${errname}: ${JSON.stringify(info)}`);
  }
}

export interface BackupState {
  running: boolean;
  laststart: number | null;
  lastend: number | null;
  lastduration: number | null;
  lastsize: number | null;
  lastexception: Packable;
}

export class Cell {
  readonly runId = newIden();
  readonly startedAt = Date.now();
  readonly users: Users;
  readonly sessions = new Map<string, { readonly unix: boolean; readonly user: string }>();
  readonly backup: BackupState = {
    running: false,
    laststart: null,
    lastend: null,
    lastduration: null,
    lastsize: null,
    lastexception: null,
  };
  active = false;
  /** URL of the upstream, null when it leads. */
  mirror: string | null = null;
  ready = false;
  uplink = false;
  readOnly = false;
  /** Forwards a write to the upstream; set while there is one. */
  forward: ((call: ForwardedWrite) => Promise<number>) | undefined;
  /** Stops following the upstream; set while it is a mirror. */
  stopFollowing: (() => Promise<void>) | undefined;
  /** Set for an AHA. */
  aha: Aha | undefined;
  /** It has become the leader. */
  onActive: () => void = () => undefined;
  /** Begins to follow `mirror`. */
  follow: () => void = () => undefined;
  readonly #gates = new Set<Promise<void>>();
  #thaw: (() => void) | undefined;

  constructor(
    readonly settings: Settings,
    readonly iden: string,
    readonly log: LogStore,
  ) {
    this.users = new Users(iden);
    for (let offset = log.first; offset < log.next; offset++) this.users.apply(log.read(offset));
  }

  static logDirectory(storage: string): string {
    return join(storage, 'slabs', 'nexuslog');
  }

  get paused(): boolean {
    return this.#thaw !== undefined;
  }

  /** The offset of the entry once it is durable on the leader. Waits while frozen or handing over. */
  async issue(event: string, args: readonly Packable[], hops = 0): Promise<number> {
    while (this.#gates.size > 0) await Promise.all(this.#gates);
    if (this.readOnly) throw new WireError('IsReadOnly', refused('issue', 'the cell is read-only'));
    if (this.active) return this.append(event, args);
    if (this.forward === undefined || hops > MAX_HOPS) {
      throw new WireError('NotReady', refused('issue', 'no link to the leader'));
    }
    const offset = await this.forward({ event, args, hops: hops + 1 });
    await this.log.waitFor(offset, APPLY_MS, new AbortController().signal);
    return offset;
  }

  /** Only on the leader. */
  async append(event: string, args: readonly Packable[]): Promise<number> {
    const offset = await this.log.append((at) => pack([at, [this.iden, event, args, {}, {}]]));
    this.users.apply(this.log.read(offset));
    return offset;
  }

  /** Holds all writes back while `act` runs; what was under way is durable before. */
  async withoutWrites<T>(act: () => Promise<T>): Promise<T> {
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    this.#gates.add(gate);
    try {
      await this.log.settled();
      return await act();
    } finally {
      this.#gates.delete(gate);
      open();
    }
  }

  freeze(): void {
    if (this.paused) throw new WireError('BadState', refused('freeze', 'already frozen'));
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    this.#gates.add(gate);
    this.#thaw = () => {
      this.#gates.delete(gate);
      open();
    };
  }

  resume(): void {
    this.#thaw?.();
    this.#thaw = undefined;
  }
}

export interface ForwardedWrite {
  readonly event: string;
  readonly args: readonly Packable[];
  readonly hops: number;
}

/** Mirrors of mirrors are not nested deeper; a ring of mirrors must not pass a write for ever. */
const MAX_HOPS = 8;
/** How long a mirror waits to see a forwarded write in its own log. */
const APPLY_MS = 5_000;

export function refused(ename: string, mesg: string): { ename: string; mesg: string } {
  return { ename, mesg };
}
