// The replication connections of a stand-in: the main process counts who is connected, a worker keeps one
// connection and comes back once a second for ever.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import type { Settings } from './settings.js';

const RETRY_MS = 1_000;
const PING_EVERY_MS = 5_000;

export interface Replication {
  /** Main: how many are connected. A worker: 1 or 0. */
  connections(): number;
  /** Main: connected workers by name. */
  names(): readonly string[];
  close(): void;
}

/** Whatever connects counts, a probe too; who says a name is a worker. */
export async function serveReplication(settings: Settings): Promise<Replication> {
  const sockets = new Map<Socket, string | undefined>();
  const server: Server = createServer((socket) => {
    sockets.set(socket, undefined);
    socket.setEncoding('utf8');
    socket.write(`SERVER stand-in\n`);
    const ping = setInterval(() => socket.write(`PING ${Date.now()}\n`), PING_EVERY_MS);
    socket.on('data', (text: string) => {
      const name = /^NAME (\S+)/m.exec(text)?.[1];
      if (name !== undefined) sockets.set(socket, name);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearInterval(ping);
      sockets.delete(socket);
    });
  });
  server.listen(settings.ports.replication, settings.bind);
  await once(server, 'listening');
  return {
    connections: () => sockets.size,
    names: () => [...sockets.values()].filter((name) => name !== undefined),
    close: () => {
      server.close();
      for (const socket of sockets.keys()) socket.destroy();
    },
  };
}

/** Through Redis where there is one: then each process sees its own connection and no other's. */
export function keepConnected(settings: Settings): Replication {
  const [host, port] = addressOf(settings);
  let socket: Socket | undefined;
  let isConnected = false;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;
  const begin = (): void => {
    const made = connect({ host, port });
    socket = made;
    made.setTimeout(settings.silenceMs, () => made.destroy());
    made.once('connect', () => {
      // The kernel of a main process that hangs still takes connections: connected is not heard.
      isConnected = true;
      made.write(`NAME ${settings.workerName}\nREPLICATE\n`);
    });
    made.on('data', () => undefined);
    made.on('error', () => undefined);
    made.once('close', () => {
      isConnected = false;
      if (!isClosed) timer = setTimeout(begin, RETRY_MS);
    });
  };
  begin();
  return {
    connections: () => Number(isConnected),
    names: () => [],
    close: () => {
      isClosed = true;
      clearTimeout(timer);
      socket?.destroy();
    },
  };
}

function addressOf(settings: Settings): readonly [string, number] {
  if (settings.redis === undefined) return [settings.replicationHost, settings.ports.replication];
  const [host = '127.0.0.1', port = '6379'] = settings.redis.split(':');
  return [host, Number(port)];
}
