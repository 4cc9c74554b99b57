// A socket that sends bytes as they are and gives back the messages that come: no Telepath of its own.
import { createConnection, type Socket } from 'node:net';
import { once } from 'node:events';
import { decode } from '@leafward/agent/engines/synapse/telepath/decode.js';
import { createMessageReader } from '@leafward/agent/engines/synapse/telepath/message-reader.js';
import type { Value } from '@leafward/agent/engines/synapse/telepath/value.js';

export interface RawLink {
  /** Sends, then returns the next `count` messages. Throws when the other side closes first or is late. */
  exchange(bytes: Uint8Array, count: number): Promise<readonly Value[]>;
  close(): void;
}

const DEADLINE_MS = 5_000;
const MAX_BYTES = 1 << 20;

export async function openRawLink(path: string): Promise<RawLink> {
  const socket: Socket = createConnection({ path });
  await once(socket, 'connect');
  const reader = createMessageReader(MAX_BYTES);
  const inbox: Value[] = [];
  let ring = (): void => undefined;
  let closed = false;
  socket.on('data', (chunk) => {
    inbox.push(...reader.push(chunk).map(decode));
    ring();
  });
  socket.on('close', () => {
    closed = true;
    ring();
  });
  return {
    exchange: async (bytes, count) => {
      socket.write(bytes);
      const timer = setTimeout(() => socket.destroy(), DEADLINE_MS);
      while (inbox.length < count && !closed)
        await new Promise<void>((resolve) => (ring = resolve));
      clearTimeout(timer);
      if (inbox.length < count) throw new Error(`${inbox.length} of ${count} messages came`);
      return inbox.splice(0, count);
    },
    close: () => socket.destroy(),
  };
}
