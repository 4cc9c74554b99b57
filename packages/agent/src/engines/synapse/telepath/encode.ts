// Telepath's requests as bytes. The order of keys is the one that Synapse itself sends.
import { encode } from '@msgpack/msgpack';

export type Argument =
  null | boolean | number | string | readonly Argument[] | { readonly [key: string]: Argument };

export interface Call {
  readonly method: string;
  readonly args?: readonly Argument[] | undefined;
  readonly kwargs?: Readonly<Record<string, Argument>> | undefined;
}

/** Protocol version of Telepath at every Synapse from 2.0 on. */
const PROTOCOL: readonly number[] = [3, 0];

/** `user` undefined is root on a unix socket; a name is that user without a password. */
export function encodeHello(user?: string): Uint8Array {
  const auth = user === undefined ? null : [user, {}];
  return encode(['tele:syn', { auth, vers: PROTOCOL, name: '*' }]);
}

export function encodeCall(call: Call, session: string): Uint8Array {
  const todo = [call.method, call.args ?? [], call.kwargs ?? {}];
  return encode(['t2:init', { todo, name: null, sess: session }]);
}
