// The wire of a stand-in cell: hello, calls answered in order on each link, generators.
import { createServer, type Server, type Socket } from 'node:net';
import { decodeMultiStream } from '@msgpack/msgpack';
import { methods, type Method } from './api.js';
import { newIden } from './cell-files.js';
import { WireError, type Cell } from './cell.js';
import { featuresOf } from './cell-info.js';
import { pack, type Packable } from './pack.js';
import { say } from './settings.js';

/** Release from which a hello says the cell's features and lists every method. */
const LONG_HELLO = 200;

export interface CellServer {
  /** Where it listens; undefined on a unix path. */
  readonly port: number | undefined;
  close(): Promise<void>;
}

/** Listens on a unix path or `host:port`. */
export async function serve(
  cell: Cell,
  where: { readonly path: string } | { readonly host: string; readonly port: number },
  shutDown: () => void,
): Promise<CellServer> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    void talk(cell, { socket, unix: 'path' in where, shutDown });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, resolve);
  });
  const bound = server.address();
  return {
    port: typeof bound === 'object' ? bound?.port : undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

interface Peer {
  readonly socket: Socket;
  readonly unix: boolean;
  readonly shutDown: () => void;
}

async function talk(cell: Cell, peer: Peer): Promise<void> {
  const gone = new AbortController();
  peer.socket.on('close', () => gone.abort());
  const mine: string[] = [];
  try {
    for await (const message of decodeMultiStream(peer.socket)) {
      const [kind, body] = message as [string, Record<string, unknown>];
      if (kind === 'tele:syn') peer.socket.write(hello(cell, body, { peer, mine }));
      else if (kind === 't2:init') await answer(cell, body, { peer, signal: gone.signal });
      else peer.socket.destroy();
    }
  } catch (error) {
    if (!gone.signal.aborted) say(`link broken: ${String(error)}`);
  } finally {
    peer.socket.destroy();
    for (const session of mine) cell.sessions.delete(session);
  }
}

function hello(
  cell: Cell,
  body: Record<string, unknown>,
  link: { readonly peer: Peer; readonly mine: string[] },
): Buffer {
  const { minor, name } = cell.settings;
  const long = minor >= LONG_HELLO;
  const named = long ? { ahainfo: { name } } : {};
  const features = long ? { features: featuresOf(minor) } : {};
  const refuse = (errname: string, info: Packable, rest: object): Buffer =>
    pack(['tele:syn', { vers: [3, 0], retn: [false, [errname, info]], ...named, ...rest }]);
  const vers = body['vers'] as number[];
  if (vers[0] !== 3) {
    return refuse('BadMesgVers', { ename: '_onTeleSyn', vers, myvers: [3, 0] }, {});
  }
  if (body['name'] !== '*') {
    return refuse('NoSuchName', { ename: '_onTeleSyn', name: String(body['name']) }, {});
  }
  const user = (body['auth'] as [string, unknown] | null)?.[0] ?? 'root';
  if (cell.users.byName(user) === undefined) {
    const said = long ? { username: user, mesg: `No such user: ${user}.` } : { name: user };
    return refuse('NoSuchUser', { ename: 'getTeleApi', ...said }, features);
  }
  const session = newIden();
  cell.sessions.set(session, { unix: link.peer.unix, user });
  link.mine.push(session);
  const sharinfo = sharedInfo(cell, long);
  return pack([
    'tele:syn',
    { vers: [3, 0], retn: [true, null], ...named, ...features, sharinfo, sess: session },
  ]);
}

function sharedInfo(cell: Cell, long: boolean): Packable {
  const meths: Record<string, Packable> = {};
  for (const [name, method] of Object.entries(methods)) {
    if (method.since > cell.settings.minor) continue;
    if ((method.items ?? method.entries) !== undefined) meths[name] = { genr: true };
    else if (long) meths[name] = {};
  }
  return {
    meths,
    'syn:commit': '',
    'syn:version': cell.settings.version.split('.').map(Number),
    classes: ['synapse.cortex.CoreApi', 'synapse.lib.cell.CellApi', 'synapse.lib.base.Base'],
  };
}

async function answer(
  cell: Cell,
  body: Record<string, unknown>,
  link: { readonly peer: Peer; readonly signal: AbortSignal },
): Promise<void> {
  const { socket, shutDown } = link.peer;
  const [name, args, kwargs] = body['todo'] as [string, unknown[], Record<string, unknown>];
  let generating = false;
  try {
    if (!cell.sessions.has(String(body['sess']))) {
      throw new WireError('NoSuchObj', { ename: '_onTaskV2Init', mesg: 'no such session' });
    }
    const method = methodOf(cell, name);
    requireArguments(name, method, args);
    const context = { cell, args, kwargs, signal: link.signal, shutDown };
    const get = (parameter: string): unknown => pick(method, parameter, args, kwargs);
    if (method.entries !== undefined) {
      generating = true;
      socket.write(pack(['t2:genr', {}]));
      for (const entry of method.entries(context)) await send(socket, yieldMessage(pack(entry)));
      socket.write(pack(['t2:yield', { retn: null }]));
      return;
    }
    if (method.items !== undefined) {
      // The old ones announce a generator together with its first item.
      generating = cell.settings.minor >= LONG_HELLO;
      if (generating) socket.write(pack(['t2:genr', {}]));
      for await (const item of method.items(context, get)) {
        if (!generating) socket.write(pack(['t2:genr', {}]));
        generating = true;
        await send(socket, yieldMessage(item));
      }
      socket.write(pack(['t2:yield', { retn: null }]));
      return;
    }
    const value = (await method.answer?.(context, get)) ?? null;
    socket.write(pack(['t2:fini', { retn: [true, value] }]));
  } catch (error) {
    const said = error instanceof WireError ? [error.errname, error.info] : errorOf(error);
    socket.write(pack([generating ? 't2:yield' : 't2:fini', { retn: [false, said] }]));
  }
}

/** Waits while the reader is slow. */
async function send(socket: Socket, message: Buffer): Promise<void> {
  if (socket.write(message) || socket.destroyed) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      socket.off('drain', end).off('close', end);
      resolve();
    };
    socket.on('drain', end).on('close', end);
  });
}

/** Up to the item's value: `['t2:yield', {retn: [true, ` */
const YIELD_HEAD = pack(['t2:yield', { retn: [true, null] }]).subarray(0, -1);

function yieldMessage(item: Buffer | null): Buffer {
  return Buffer.concat([YIELD_HEAD, item ?? Buffer.of(0xc0)]);
}

function methodOf(cell: Cell, name: string): Method {
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (method !== undefined && method.since <= cell.settings.minor) return method;
  const mesg = `CoreApi has no method: ${name}.`;
  const said = cell.settings.minor < LONG_HELLO ? { name } : { mesg, name };
  throw new WireError('NoSuchMeth', { ename: '_onTaskV2Init', ...said });
}

function requireArguments(name: string, method: Method, args: readonly unknown[]): void {
  const most = method.parameters.length + 1;
  const least = method.parameters.filter((parameter) => !parameter.endsWith('?')).length + 1;
  if (args.length + 1 <= most) return;
  const takes = least === most ? `takes ${most}` : `takes from ${least} to ${most}`;
  const mesg = `CellApi.${name}() ${takes} positional arguments but ${args.length + 1} were given`;
  throw new WireError('TypeError', { ename: 'wrapped', mesg });
}

function pick(
  method: Method,
  parameter: string,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): unknown {
  const index = method.parameters.findIndex((name) => name.replace('?', '') === parameter);
  return args[index] ?? kwargs[parameter];
}

function errorOf(error: unknown): Packable {
  const mesg = error instanceof Error ? error.message : 'unknown';
  return ['SynErr', { ename: 'wrapped', mesg }];
}
