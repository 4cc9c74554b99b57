// Whether somebody else can be asked from this host at all. A name that nobody resolves and a network that is not there
// are no silence of whom they name, and must never be taken for it.
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { isAbort, LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { createSingleFlight } from '../checks/single-flight.js';

/** A name with more addresses than this is nobody's. */
const MOST_ADDRESSES = 8;
const once = createSingleFlight();

/** All of a name's addresses, or the address itself. @throws LeafwardError `unavailable`, `aborted`. */
export async function addressesOf(
  host: string,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  try {
    const found = await once(`resolve ${host}`, () => lookup(host, { all: true }), {
      deadlineMs,
      signal,
    });
    return found.slice(0, MOST_ADDRESSES).map(({ address }) => address);
  } catch (error) {
    if (isAbort(error) || signal.aborted) throw aborted(host);
    throw unreachable(host, `its name has no address here (${whyOf(error)})`, error);
  }
}

/** @throws LeafwardError `unavailable` when this host has no way to any of its addresses, `aborted`. */
export async function requireRoute(
  host: string,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<void> {
  const addresses = await addressesOf(host, deadlineMs, signal);
  const whys = await Promise.all(addresses.map(whyNoRoute));
  if (whys.some((why) => why === undefined)) return;
  throw unreachable(host, `this host has no way there (${whys.join(', ')})`);
}

/** Connecting a datagram socket asks the kernel for a route and sends nothing (udp(7)). */
function whyNoRoute(address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4');
    const settle = (error?: Error): void => {
      socket.close();
      resolve(error === undefined ? undefined : whyOf(error));
    };
    socket.once('error', settle);
    socket.once('connect', () => settle());
    socket.connect(ANY_PORT, address);
  });
}
/** Of discard, which nobody listens on; nothing is sent. */
const ANY_PORT = 9;

export function unreachable(where: string, why: string, cause?: unknown): LeafwardError {
  return new LeafwardError(
    'unavailable',
    `ask ${where}: ${why}; this says nothing of whether it answers`,
    { retry: 'later', cause },
  );
}

function aborted(where: string): LeafwardError {
  return new LeafwardError('aborted', `ask ${where}: stopped by the caller`);
}

const whyOf = (error: unknown): string =>
  (error as NodeJS.ErrnoException | undefined)?.code ?? messageOf(error);
