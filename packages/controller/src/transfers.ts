// Backups on their way from one host to another: both agents call, and what one says is passed on to the other, no
// faster than that one takes it. Nothing is kept: a transfer is known by the requests that are open on its two hosts.
import type { ServerHttp2Session } from 'node:http2';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  Request,
  TransferJoin,
  TransferRequest,
  TransferResponse,
} from '@leafward/shared/gen/domain.js';
import { statusFromError } from '@leafward/shared/rpc/status.js';
import type { Snapshot } from './snapshot.js';

export type TransferStream = ServerDuplexStream<TransferRequest, TransferResponse>;

export interface Transfers {
  /** Takes a stream whose caller was proven to be this host's agent. */
  accept(host: string, stream: TransferStream): void;
  open(): number;
}

interface End {
  readonly stream: TransferStream;
  readonly sends: boolean;
  /** What it said before the other end was there: an offer at the most, since it waits for an answer then. */
  readonly early: TransferResponse[];
  peer: End | undefined;
}

/** Both ends of a few transfers on each host of a fleet. */
const MOST_ENDS = 256;
/** One that waits alone for so long asks again. */
const ALONE_MS = 60_000;

export function createTransfers(snapshot: () => Snapshot): Transfers {
  /** Ends that wait for the other one, by transfer and side. */
  const waiting = new Map<string, End>();
  const ends = new Set<End>();

  const leave = (end: End, key: string, error: Error): void => {
    if (!ends.delete(end)) return;
    if (waiting.get(key) === end) waiting.delete(key);
    const { peer } = end;
    if (peer === undefined || !ends.has(peer)) return;
    ends.delete(peer);
    peer.stream.emit('error', statusFromError(error));
  };
  const waitFor = (end: End, key: string): void => {
    waiting.set(key, end);
    const late = setTimeout(() => {
      if (waiting.get(key) !== end) return;
      leave(end, key, broken('the other host does not come'));
      end.stream.emit('error', statusFromError(broken('the other host does not come')));
    }, ALONE_MS);
    late.unref();
  };
  const join = (host: string, stream: TransferStream, word: TransferJoin): End => {
    assertOrdered(snapshot(), host, word);
    const { transfer, sends } = word;
    const [own, other] = [keyOf(transfer, sends), keyOf(transfer, !sends)];
    if (ends.size >= MOST_ENDS)
      throw new LeafwardError('unavailable', 'too many backups are on their way at once', {
        retry: 'later',
      });
    const end: End = { stream, sends, early: [], peer: undefined };
    // One that comes again has lost its last stream, whether that is known here or not.
    const before = waiting.get(own);
    if (before !== undefined) leave(before, own, broken('joined anew'));
    ends.add(end);
    stream.on('cancelled', () => leave(end, own, broken('the other host is gone')));
    stream.on('error', () => leave(end, own, broken('the other host is gone')));
    stream.on('end', () => leave(end, own, broken('the other host has hung up')));
    const peer = waiting.get(other);
    if (peer === undefined) waitFor(end, own);
    else {
      waiting.delete(other);
      pair(end, peer);
    }
    return end;
  };
  return {
    open: () => ends.size,
    accept(host, stream) {
      widen(stream);
      let end: End | undefined;
      stream.on('data', (message: TransferRequest) => {
        try {
          if (end === undefined) end = join(host, stream, joinIn(message));
          else pass(end, message);
        } catch (error) {
          stream.emit('error', statusFromError(error));
        }
      });
    },
  };
}

/**
 * HTTP/2 lets 64 KiB be on their way, and a piece would stand still four times. The connection is the transfer's own; a
 * grpc-js that shows it no longer is as right and slower.
 */
function widen(stream: TransferStream): void {
  const session = (stream as Underneath).call?.stream?.session;
  session?.settings?.({ initialWindowSize: WINDOW_BYTES });
  session?.setLocalWindowSize?.(WINDOW_BYTES);
}
const WINDOW_BYTES = 1024 * 1024;

interface Underneath {
  readonly call?: { readonly stream?: { readonly session?: Partial<ServerHttp2Session> } };
}

const keyOf = (transfer: string, sends: boolean): string => `${sends ? 'from' : 'to'} ${transfer}`;

const broken = (why: string): LeafwardError =>
  new LeafwardError('unavailable', `the transfer was broken off: ${why}`, { retry: 'later' });

function pair(one: End, other: End): void {
  one.peer = other;
  other.peer = one;
  for (const end of [one, other]) for (const message of end.early.splice(0)) write(end, message);
}

function joinIn(message: TransferRequest): TransferJoin {
  if (message.kind === 'join') return message;
  throw new LeafwardError('invalid', `a transfer begins with join, not with ${message.kind}`);
}

function pass(end: End, message: TransferRequest): void {
  if (message.kind === 'join')
    throw new LeafwardError('invalid', 'a transfer is joined once by each stream');
  if (end.peer !== undefined) return write(end, message);
  if (end.early.length > 0)
    throw new LeafwardError('invalid', 'a transfer waits for its other end after its first word');
  end.early.push(message);
}

/** The reader of the one is as fast as the writer of the other. */
function write(end: End, message: TransferResponse): void {
  const to = end.peer?.stream;
  if (to === undefined) return;
  const isTaken = to.write(message);
  if (isLast(end, message)) {
    to.end();
    end.stream.end();
  } else if (!isTaken) {
    end.stream.pause();
    to.once('drain', () => end.stream.resume());
  }
}

/** The receiver has it, or one of them has given up. */
const isLast = ({ sends }: End, message: TransferResponse): boolean =>
  message.kind === 'end' && (!sends || message.problem !== undefined);

/** @throws LeafwardError `denied`: nobody asked this host for it, or not for this side of it. */
function assertOrdered(snapshot: Snapshot, host: string, { transfer, sends }: TransferJoin): void {
  const isMeant = (request: Request): boolean =>
    sends
      ? request.kind === 'send-backup' && request.transfer === transfer
      : request.kind === 'receive-backup' && request.transfer === transfer;
  const found = Object.values(snapshot.requests).some(
    (one) => one.host === host && isMeant(one.request),
  );
  if (!found)
    throw new LeafwardError('denied', `host ${host} was not asked to take part in this transfer`);
}
