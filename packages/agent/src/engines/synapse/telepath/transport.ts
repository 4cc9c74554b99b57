// One stream socket with messages on it. Opens, reads, closes; knows no Telepath.
import { createConnection, type Socket } from 'node:net';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { renderAddress, type Address } from './address.js';
import { createMessageReader } from './message-reader.js';

export interface Transport {
  send(message: Uint8Array): void;
  /** Stops reading while nobody takes what comes, so that the other side waits. */
  pause(): void;
  resume(): void;
  close(): void;
}

export interface TransportEvents {
  readonly onMessage: (message: Uint8Array) => void;
  /** Once, with the reason; never after close(). */
  readonly onLost: (reason: string) => void;
}

/** The socket is there but nobody listens, or there is none: both mean that the cell is down. */
const DOWN_CODES = new Set(['ECONNREFUSED', 'ENOENT', 'ENOTSOCK']);

export function connect(
  address: Address,
  options: { readonly maxMessageBytes: number; readonly events: TransportEvents },
  signal: AbortSignal,
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(
      address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port },
    );
    socket.setNoDelay(true);
    const abort = (): void => {
      socket.destroy();
      const late = signal.reason instanceof Error && signal.reason.name === 'TimeoutError';
      const why = late ? 'no answer in time' : 'stopped by the caller';
      const text = `connect to ${renderAddress(address)}: ${why}`;
      reject(new LeafwardError(late ? 'timeout' : 'aborted', text));
    };
    const refuse = (error: NodeJS.ErrnoException): void => {
      signal.removeEventListener('abort', abort);
      socket.destroy();
      const down = DOWN_CODES.has(error.code ?? '') ? 'the cell is down' : messageOf(error);
      const code = error.code === 'EACCES' ? 'denied' : 'unavailable';
      const text = `connect to ${renderAddress(address)}: ${down} (${error.code ?? 'no code'})`;
      reject(new LeafwardError(code, text, { retry: 'later', cause: error }));
    };
    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', refuse);
    socket.once('connect', () => {
      signal.removeEventListener('abort', abort);
      socket.removeListener('error', refuse);
      resolve(attach(socket, options.maxMessageBytes, options.events));
    });
  });
}

function attach(socket: Socket, maxMessageBytes: number, events: TransportEvents): Transport {
  const reader = createMessageReader(maxMessageBytes);
  let closed = false;
  const close = (): void => {
    closed = true;
    socket.destroy();
  };
  const lose = (reason: string): void => {
    if (closed) return;
    close();
    events.onLost(reason);
  };
  socket.on('error', (error) => lose(messageOf(error)));
  socket.on('close', () => lose('the cell closed the link'));
  socket.on('data', (chunk) => {
    try {
      for (const message of reader.push(chunk)) if (!closed) events.onMessage(message);
    } catch (error) {
      lose(messageOf(error));
    }
  });
  return {
    send: (message) => void socket.write(message),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close,
  };
}
