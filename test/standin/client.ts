// A writer and reader of stand-in cells, for demos and tests: what was acknowledged, and who holds it.
import { setMaxListeners } from 'node:events';
import { LeafwardError } from '@leafward/shared/errors.js';
import { parseAddress, socketOf } from '@leafward/agent/engines/synapse/telepath/address.js';
import type { Argument, Call } from '@leafward/agent/engines/synapse/telepath/encode.js';
import { openLink, type Link } from '@leafward/agent/engines/synapse/telepath/link.js';
import { listOf, numberOf, type Value } from '@leafward/agent/engines/synapse/telepath/value.js';

/** A test write as a member's log holds it. */
export interface HeldWrite {
  readonly offset: number;
  readonly value: string;
}

export interface CellClient {
  /** The acknowledged offset: durable on the leader at that moment. Throws LeafwardError. */
  write(value: string): Promise<number>;
  /** Test writes that this member holds, from the offset on, at most `limit`. */
  read(fromOffset?: number, limit?: number): Promise<readonly HeldWrite[]>;
  /** Next offset of its log. */
  getPosition(): Promise<number>;
  call(call: Call, deadlineMs?: number): Promise<Value>;
  close(): void;
}

export interface CellClientOptions {
  /** `unix:///path/sock`, `tcp://host:port`, or the storage directory itself. */
  readonly url: string;
  readonly deadlineMs?: number;
}

const DEADLINE_MS = 5_000;

/** Throws `unavailable` when the cell is down. A client whose link broke throws; connect another. */
export async function connectCell(options: CellClientOptions): Promise<CellClient> {
  const address = options.url.startsWith('/') ? socketOf(options.url) : parseAddress(options.url);
  if (address === undefined) throw new LeafwardError('invalid', `no cell URL: ${options.url}`);
  const deadlineMs = options.deadlineMs ?? DEADLINE_MS;
  const signal = new AbortController().signal;
  setMaxListeners(0, signal); // one for each call under way; the link bounds these
  const open = (): Promise<Link> => openLink({ address, deadlineMs }, signal);
  const link = await open();
  const call = (what: Call, limitMs = deadlineMs): Promise<Value> =>
    link.call(what, limitMs, signal);
  return {
    call,
    write: async (value) => Number(await call({ method: 'addTestWrite', args: [value] })),
    getPosition: async () => Number(await call({ method: 'getNexsIndx' })),
    read: async (fromOffset = 0, limit = Infinity) =>
      readWrites(await open(), { fromOffset, limit }),
    close: () => link.close(),
  };
}

async function readWrites(
  link: Link,
  range: { readonly fromOffset: number; readonly limit: number },
): Promise<readonly HeldWrite[]> {
  const kwargs: Record<string, Argument> = { tellready: true };
  const call: Call = { method: 'getNexusChanges', args: [range.fromOffset], kwargs };
  const held: HeldWrite[] = [];
  try {
    for await (const item of link.generate(call, DEADLINE_MS, new AbortController().signal)) {
      if (item.value === null || held.length >= range.limit) break;
      const [offset, entry] = listOf(item.value);
      const [, event, args] = listOf(entry);
      const value = listOf(args)[0];
      if (event !== 'test:write' || typeof value !== 'string') continue;
      held.push({ offset: numberOf(offset) ?? -1, value });
    }
  } finally {
    link.close();
  }
  return held;
}
