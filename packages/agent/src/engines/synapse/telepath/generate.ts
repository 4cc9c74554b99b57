// The items of one generator, as they come. A generator occupies its link: leaving it closes the link.
import { LeafwardError } from '@leafward/shared/errors.js';
import { valueOfReturn } from './cell-error.js';
import { listOf, mapOf, stringOf, type Value } from './value.js';
import { enqueue, lose, type Pending, type Wire } from './wire.js';

export interface Item {
  readonly value: Value;
  /** The message that carried it, for digests. */
  readonly message: Uint8Array;
}

/** Items that may wait for a slow reader before the socket is left unread. */
const MAX_WAITING_ITEMS = 64;

interface Wanted {
  readonly request: Uint8Array;
  /** For messages: which call on what. */
  readonly tried: string;
  /** Longest wait for one item, milliseconds. */
  readonly idleMs: number;
}

/** What came and was not taken yet, and whoever waits for more. */
interface Inbox {
  readonly items: Item[];
  ended: boolean;
  error: Error | undefined;
  ring: (() => void) | undefined;
}

/** Throws what Link.call throws; items that came before an error are given first. */
export async function* generate(
  wire: Wire,
  wanted: Wanted,
  signal: AbortSignal,
): AsyncGenerator<Item, void, undefined> {
  const inbox: Inbox = { items: [], ended: false, error: undefined, ring: undefined };
  enqueue(wire, wanted.request, receiverFor(wire, inbox, wanted.tried));
  try {
    for (;;) {
      const item = inbox.items.shift();
      if (item !== undefined) {
        if (inbox.items.length === 0) wire.transport?.resume();
        yield item;
      } else if (inbox.error !== undefined) throw inbox.error;
      else if (inbox.ended) return;
      else await untilMore(inbox, wanted, signal);
    }
  } finally {
    if (!inbox.ended) lose(wire, 'the generator was left');
  }
}

function receiverFor(wire: Wire, inbox: Inbox, tried: string): Pending {
  const fail = (error: Error): void => {
    inbox.error ??= error;
    inbox.ring?.();
  };
  const take = (message: Value, bytes: Uint8Array): boolean => {
    const [kind, body] = listOf(message);
    const retn = mapOf(body)['retn'];
    if (kind === 't2:genr') return false;
    if (kind === 't2:yield' && retn === null) {
      inbox.ended = true;
    } else {
      const value = valueOfReturn(retn, tried);
      if (kind !== 't2:yield') {
        throw new LeafwardError(
          'failed',
          `${tried}: answered by ${stringOf(kind) ?? 'no kind'}, not item by item`,
        );
      }
      inbox.items.push({ value, message: bytes });
      if (inbox.items.length >= MAX_WAITING_ITEMS) wire.transport?.pause();
    }
    inbox.ring?.();
    return inbox.ended;
  };
  return {
    fail,
    take: (message, bytes) => {
      try {
        return take(message, bytes);
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)));
        return true;
      }
    },
  };
}

function untilMore(inbox: Inbox, wanted: Wanted, signal: AbortSignal): Promise<void> {
  const { tried, idleMs } = wanted;
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      inbox.ring = undefined;
      act();
    };
    const abort = (): void =>
      settle(() => reject(new LeafwardError('aborted', `${tried}: stopped by the caller`)));
    const timer = setTimeout(
      () => settle(() => reject(new LeafwardError('timeout', `${tried}: no item in ${idleMs} ms`))),
      idleMs,
    );
    inbox.ring = () => settle(resolve);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
  });
}
