// One Telepath link: hello, calls answered in order, at most one generator. A link that missed a deadline is
// closed, since its answers could no longer be told apart; it must never be used for anything again.
import { LeafwardError } from '@leafward/shared/errors.js';
import { renderAddress, type Address } from './address.js';
import { valueOfReturn } from './cell-error.js';
import { encodeCall, encodeHello, type Call } from './encode.js';
import { generate, type Item } from './generate.js';
import { connect } from './transport.js';
import { listOf, mapOf, numberOf, stringOf, type Value, type ValueMap } from './value.js';
import { exchange, lose, receive, type Wire } from './wire.js';

export interface LinkOptions {
  readonly address: Address;
  /** For connect and hello together. */
  readonly deadlineMs: number;
  /** Undefined: root, which a unix socket grants to whoever may open it. */
  readonly user?: string | undefined;
  readonly maxMessageBytes?: number | undefined;
}

export interface Link {
  /** Of the cell's Synapse, `2.113.0`; undefined when the hello did not say. */
  readonly version: string | undefined;
  readonly lost: boolean;
  /** Throws CellError (the cell said no), `unavailable` (link lost), `timeout`, `aborted`. */
  call(call: Call, deadlineMs: number, signal: AbortSignal): Promise<Value>;
  /** Takes the link for itself; leaving the loop closes it. `idleMs` bounds the wait for each item. */
  generate(call: Call, idleMs: number, signal: AbortSignal): AsyncGenerator<Item, void, undefined>;
  close(): void;
}

/** Largest answer that is taken: log entries with big edits stay far below. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
/** Throws CellError when the cell refuses the hello, `unavailable` when it is down or not ready yet, `timeout`. */
export async function openLink(options: LinkOptions, signal: AbortSignal): Promise<Link> {
  const where = renderAddress(options.address);
  const wire: Wire = { where, queue: [], transport: undefined, lostBecause: undefined };
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(options.deadlineMs)]);
  const events = {
    onMessage: (bytes: Uint8Array) => receive(wire, bytes),
    onLost: (reason: string) => lose(wire, reason),
  };
  const maxMessageBytes = options.maxMessageBytes ?? MAX_MESSAGE_BYTES;
  wire.transport = await connect(options.address, { maxMessageBytes, events }, deadline);
  const tried = `hello to ${where}`;
  const limits = { tried, deadlineMs: options.deadlineMs };
  const answer = await exchange(wire, encodeHello(options.user), limits, signal).catch(
    (error: unknown) => {
      throw notReadyYet(error, tried);
    },
  );
  const [kind, hello] = listOf(answer);
  try {
    if (kind !== 'tele:syn') throw new LeafwardError('failed', `${tried}: not a Telepath answer`);
    valueOfReturn(mapOf(hello)['retn'], tried);
  } catch (error) {
    wire.transport.close();
    throw error;
  }
  return linkOver(wire, mapOf(hello));
}

/** A cell that still starts closes the socket without a word. */
function notReadyYet(error: unknown, tried: string): unknown {
  if (!(error instanceof LeafwardError) || error.code !== 'unavailable') return error;
  const text = `${tried}: closed before it answered; it is starting or stopping`;
  return new LeafwardError('unavailable', text, { retry: 'later', cause: error });
}

function linkOver(wire: Wire, hello: ValueMap): Link {
  const session = stringOf(hello['sess']) ?? '';
  const version = listOf(mapOf(hello['sharinfo'])['syn:version']).map(numberOf);
  return {
    version: version.length === 3 ? version.join('.') : undefined,
    get lost() {
      return wire.lostBecause !== undefined;
    },
    call: async (call, deadlineMs, signal) => {
      const tried = `${call.method} on ${wire.where}`;
      const answer = await exchange(wire, encodeCall(call, session), { tried, deadlineMs }, signal);
      const [kind, body] = listOf(answer);
      if (kind === 't2:fini') return valueOfReturn(mapOf(body)['retn'], tried);
      lose(wire, 'a call was answered by a generator');
      throw new LeafwardError(
        'failed',
        `${tried}: answered by ${stringOf(kind) ?? 'no kind'}, not by a value`,
      );
    },
    generate: (call, idleMs, signal) => {
      const tried = `${call.method} on ${wire.where}`;
      return generate(wire, { request: encodeCall(call, session), tried, idleMs }, signal);
    },
    close: () => lose(wire, 'the link was closed'),
  };
}
