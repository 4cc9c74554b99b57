// How a stand-in mirrors its upstream: one link for the entries, one for forwarded writes.
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { bytesAt } from '@leafward/agent/engines/synapse/telepath/decode.js';
import { parseAddress, type Address } from '@leafward/agent/engines/synapse/telepath/address.js';
import { openLink, type Link } from '@leafward/agent/engines/synapse/telepath/link.js';
import { CellError } from '@leafward/agent/engines/synapse/telepath/cell-error.js';
import type { Argument } from '@leafward/agent/engines/synapse/telepath/encode.js';
import { listOf, mapOf, stringOf } from '@leafward/agent/engines/synapse/telepath/value.js';
import { messageOf } from '@leafward/shared/errors.js';
import { resolve } from './aha-client.js';
import { WireError, type Cell, type ForwardedWrite } from './cell.js';
import { say } from './settings.js';
import { writeDataState } from './cell-files.js';

const CONNECT_MS = 5_000;
const RETRY_MS = 100;
/** A mirror that waits for an older version's update looks this often. */
const GUARD_MS = 500;
/** A quiet leader sends nothing: practically for ever. */
const IDLE_MS = 2_000_000_000;
const FORWARD_MS = 30_000;

export const GUARD_LINE =
  'Leader is a higher version than we are. Mirrors must be updated first. Entering read-only mode.';

/** Throws on a URL whose transport this program does not speak. */
export function addressOf(url: string): Address {
  const address = parseAddress(url);
  if (address === undefined) throw new Error(`this cell cannot reach ${url}: unix and tcp only`);
  return address;
}

export async function connectTo(url: string, signal: AbortSignal): Promise<Link> {
  const address = url.startsWith('aha://') ? await resolve(url, signal) : addressOf(url);
  return openLink({ address, deadlineMs: CONNECT_MS }, signal);
}

/** Follows cell.mirror until it is told to stop. */
export function startFollowing(cell: Cell): void {
  const stopped = new AbortController();
  const done = followForEver(cell, stopped.signal);
  const forwarder = createForwarder(cell);
  cell.forward = forwarder.forward;
  cell.stopFollowing = async () => {
    cell.forward = undefined;
    cell.stopFollowing = undefined;
    stopped.abort();
    await done;
    forwarder.close();
    cell.uplink = false;
    cell.readOnly = false;
  };
}

async function followForEver(cell: Cell, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    let pauseMs = RETRY_MS;
    try {
      pauseMs = await followOnce(cell, signal);
    } catch (error) {
      if (!signal.aborted) say(`mirror loop: ${messageOf(error)}`);
    }
    if (cell.settings.minor >= 124) cell.ready = false;
    cell.uplink = false;
    await delay(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Returns how long to wait before the next attempt. */
async function followOnce(cell: Cell, signal: AbortSignal): Promise<number> {
  const link = await connectTo(cell.mirror ?? '', signal);
  try {
    if (isNewer(link.version, cell.settings.minor) && cell.settings.minor >= 165) {
      if (!cell.readOnly) say(GUARD_LINE);
      cell.readOnly = true;
      return GUARD_MS;
    }
    cell.readOnly = false;
    const info = mapOf(await link.call({ method: 'getCellInfo' }, CONNECT_MS, signal));
    const iden = stringOf(mapOf(info['cell'])['iden']);
    if (iden !== cell.iden) throw new Error(`the upstream is another cell, ${iden}`);
    cell.uplink = true;
    const call = {
      method: 'getNexusChanges',
      args: [cell.log.next],
      kwargs: { tellready: true },
    };
    for await (const item of link.generate(call, IDLE_MS, signal)) {
      if (item.value === null) cell.ready = true;
      else await take(cell, item.message, Number(listOf(item.value)[0]));
    }
    return RETRY_MS;
  } finally {
    link.close();
  }
}

function isNewer(version: string | undefined, minor: number): boolean {
  return Number(version?.split('.')[1] ?? 0) > minor;
}

async function take(cell: Cell, message: Uint8Array, offset: number): Promise<void> {
  const raw = bytesAt(message, [1, 'retn', 1]);
  const wanted = cell.log.next;
  if (raw === undefined || offset < wanted) return;
  if (offset > wanted) die(cell, `mirror desync: got ${offset}, wanted ${wanted}`);
  const entry = Buffer.from(raw);
  await cell.log.append(() => entry);
  cell.users.apply(entry);
  const unsafeTrim = entry.includes('nexslog:cull:alone') && cell.settings.minor < 116;
  if (unsafeTrim) die(cell, 'mirror desync: the leader trimmed without consumers');
}

/** As the service does: exit code 0, and the same again at every start. */
function die(cell: Cell, why: string): never {
  say(why);
  writeDataState(cell.settings.storage, { version: cell.settings.version, desynced: true });
  process.exit(0);
}

interface Forwarder {
  readonly forward: (call: ForwardedWrite) => Promise<number>;
  /** When the writes under way are answered: a hand-over must not lose them. */
  readonly close: () => void;
}

function createForwarder(cell: Cell): Forwarder {
  const whole = new AbortController().signal;
  setMaxListeners(0, whole); // one for each write under way; the link bounds these
  let link: Link | undefined;
  let underWay = 0;
  let closing = false;
  const closeIfIdle = (): void => {
    if (closing && underWay === 0) link?.close();
  };
  const forward = async ({ event, args, hops }: ForwardedWrite): Promise<number> => {
    underWay++;
    try {
      if (link === undefined || link.lost) link = await connectTo(cell.mirror ?? '', whole);
      const call = { method: 'issue', args: [event, args as Argument, hops] };
      return Number(await link.call(call, FORWARD_MS, whole));
    } catch (error) {
      const errname = error instanceof CellError ? error.errname : 'LinkShutDown';
      throw new WireError(errname, { ename: 'issue', mesg: messageOf(error) });
    } finally {
      underWay--;
      closeIfIdle();
    }
  };
  const close = (): void => {
    closing = true;
    closeIfIdle();
  };
  return { forward, close };
}
