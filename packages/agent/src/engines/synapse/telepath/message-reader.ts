// Cuts a byte stream without framing into whole messages. Reads each byte once however it is chopped, and
// must never hold more than its limit.
import { MalformedMessage, readHeader } from './header.js';

export interface MessageReader {
  /** The messages that this chunk completes, in order. Throws MalformedMessage; the stream is then lost. */
  push(chunk: Uint8Array): Uint8Array[];
}

/** First size of the buffer: most answers fit. */
const START_BYTES = 16 * 1024;

export function createMessageReader(maxMessageBytes: number): MessageReader {
  let buffer = Buffer.allocUnsafe(START_BYTES);
  let filled = 0;
  /** Where the unfinished message begins, and up to where it was read. */
  let start = 0;
  let at = 0;
  /** Values that the unfinished message still lacks. */
  let missing = 1;

  const append = (chunk: Uint8Array): void => {
    if (start > 0) {
      buffer.copyWithin(0, start, filled);
      filled -= start;
      at -= start;
      start = 0;
    }
    if (filled === 0 && buffer.length > START_BYTES) buffer = Buffer.allocUnsafe(START_BYTES);
    if (filled + chunk.length > buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(buffer.length * 2, filled + chunk.length));
      buffer.copy(grown, 0, 0, filled);
      buffer = grown;
    }
    buffer.set(chunk, filled);
    filled += chunk.length;
  };

  /** Whether the message is whole. */
  const scan = (): boolean => {
    const view = new DataView(buffer.buffer, buffer.byteOffset, filled);
    while (missing > 0) {
      const header = readHeader(view, at, filled);
      if (header === undefined) return false;
      missing += header.children - 1;
      at += header.headBytes + header.payloadBytes;
      if (at - start + missing > maxMessageBytes) {
        throw new MalformedMessage(`a message is larger than ${maxMessageBytes} bytes`);
      }
    }
    return at <= filled;
  };

  return {
    push: (chunk) => {
      append(chunk);
      const messages: Uint8Array[] = [];
      while (scan()) {
        messages.push(new Uint8Array(buffer.subarray(start, at)));
        start = at;
        missing = 1;
      }
      return messages;
    },
  };
}
