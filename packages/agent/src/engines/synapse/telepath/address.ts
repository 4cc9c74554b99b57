// Where a cell listens. Only the transports that need no certificate: the rest is the cell's own business.
import { LeafwardError } from '@leafward/shared/errors.js';

export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** A path that is longer does not fit the kernel's sockaddr_un (108 bytes with its end). */
const MAX_SOCKET_PATH_BYTES = 107;

/** Port that Telepath uses when a URL names none. */
const DEFAULT_PORT = 27492;

/** The socket that every cell opens in its storage. Throws `invalid` for a path that no socket can have. */
export function socketOf(storage: string): Address {
  const path = `${storage}/sock`;
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    throw new LeafwardError(
      'invalid',
      `socket ${path} has ${bytes} bytes and the kernel allows ${MAX_SOCKET_PATH_BYTES}; use a shorter storage path`,
    );
  }
  return { kind: 'unix', path };
}

/** Of `unix:///path/sock` or `tcp://[user@]host[:port]`; undefined for any other scheme or shape. */
export function parseAddress(url: string): Address | undefined {
  const unix = /^(?:unix|cell):\/\/(\/[^:]*)(?::.*)?$/.exec(url);
  if (unix?.[1] !== undefined) {
    const path = unix[1];
    return { kind: 'unix', path: url.startsWith('cell:') ? `${path}/sock` : path };
  }
  const tcp = /^tcp:\/\/(?:[^@/]*@)?(\[[^\]]+\]|[^:/?]+)(?::(\d+))?(?:[/?].*)?$/.exec(url);
  if (tcp?.[1] === undefined) return undefined;
  const port = tcp[2] === undefined ? DEFAULT_PORT : Number(tcp[2]);
  if (port > 65_535) return undefined;
  return { kind: 'tcp', host: tcp[1].replace(/^\[|\]$/g, ''), port };
}

/** For messages: never holds a password. */
export function renderAddress(address: Address): string {
  return address.kind === 'unix' ? address.path : `tcp://${address.host}:${address.port}`;
}

/** The URL without a password, for facts and messages (I14). */
export function withoutPassword(url: string): string {
  return url.replace(/^([a-z+]+:\/\/[^:@/]*):[^@/]*@/i, '$1@');
}
