// The row of requests on one link: each gets the answer that comes at its turn. Once lost, all who wait are told.
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { decode } from './decode.js';
import type { Transport } from './transport.js';
import type { Value } from './value.js';

/** Calls that may wait on one link. */
const MAX_PENDING = 256;

/** Whoever waits for an answer; `take` says whether it was the last message for it. */
export interface Pending {
  take(message: Value, bytes: Uint8Array): boolean;
  fail(error: LeafwardError): void;
}

export interface Wire {
  readonly where: string;
  readonly queue: Pending[];
  transport: Transport | undefined;
  lostBecause: string | undefined;
}

export function receive(wire: Wire, bytes: Uint8Array): void {
  const first = wire.queue[0];
  if (first === undefined) {
    lose(wire, 'the cell sent what nobody asked for');
    return;
  }
  if (first.take(decode(bytes), bytes)) wire.queue.shift();
}

export function lose(wire: Wire, reason: string): void {
  if (wire.lostBecause !== undefined) return;
  wire.lostBecause = reason;
  wire.transport?.close();
  const error = unavailable(wire, reason);
  for (const pending of wire.queue.splice(0)) pending.fail(error);
}

function unavailable(wire: Wire, reason: string): LeafwardError {
  return new LeafwardError('unavailable', `link to ${wire.where}: ${reason}`, { retry: 'later' });
}

/** Sends a request and takes its place in the row. Throws when the link is lost or the row is full. */
export function enqueue(wire: Wire, request: Uint8Array, pending: Pending): void {
  if (wire.lostBecause !== undefined) throw unavailable(wire, wire.lostBecause);
  if (wire.queue.length >= MAX_PENDING) {
    throw new LeafwardError(
      'exhausted',
      `link to ${wire.where}: ${MAX_PENDING} calls wait already`,
    );
  }
  wire.queue.push(pending);
  wire.transport?.send(request);
}

/** One request, one message back. */
export function exchange(
  wire: Wire,
  request: Uint8Array,
  options: { readonly tried: string; readonly deadlineMs: number },
  signal: AbortSignal,
): Promise<Value> {
  const { tried, deadlineMs } = options;
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      act();
    };
    const giveUp = (error: LeafwardError): void => {
      settle(() => reject(error));
      lose(wire, messageOf(error));
    };
    const abort = (): void =>
      giveUp(new LeafwardError('aborted', `${tried}: stopped by the caller`));
    const timer = setTimeout(
      () => giveUp(new LeafwardError('timeout', `${tried}: no answer in ${deadlineMs} ms`)),
      deadlineMs,
    );
    signal.addEventListener('abort', abort, { once: true });
    try {
      if (signal.aborted) throw new LeafwardError('aborted', `${tried}: stopped by the caller`);
      enqueue(wire, request, {
        take: (message) => {
          settle(() => resolve(message));
          return true;
        },
        fail: (error) => settle(() => reject(error)),
      });
    } catch (error) {
      settle(() => reject(error instanceof Error ? error : new Error(String(error))));
    }
  });
}
