// A witness's question to a cell of another host: does its program say anything? A connection alone is no answer, since
// the kernel accepts it for a program that is stopped. Must never take a question that could not be put for silence.
import { existsSync } from 'node:fs';
import { createConnection, isIP, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { connect as connectSecurely, type TLSSocket } from 'node:tls';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { LeaderProbe } from '@leafward/shared/gen/domain.js';
import { addressesOf, unreachable } from '../reach.js';
import { parseAddress, renderAddress, type Address } from './telepath/address.js';
import { decode } from './telepath/decode.js';
import { encodeHello } from './telepath/encode.js';
import { createMessageReader } from './telepath/message-reader.js';
import { listOf, mapOf, numberOf, stringOf } from './telepath/value.js';

/** Where to ask. */
interface Target {
  readonly address: Address;
  /** The name that the cell's certificate is chosen by. Undefined: no TLS. */
  readonly secureAs?: string | undefined;
}

type Heard =
  | { readonly kind: 'answered' | 'silent'; readonly said: string }
  /** It could not be asked from here. */
  | { readonly kind: 'unasked'; readonly said: string };

/** What a hello is answered with is short; more is no Telepath. */
const MAX_HELLO_BYTES = 4 * 1024 * 1024;
/** A host that is off, a port where nobody listens, a program that died meanwhile. */
const SILENT_CODES = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'EHOSTDOWN'],
]);
/** What listens there has sent something that no TLS is. */
const NO_TLS = /wrong version number|packet length|unexpected message/i;

/** Under `tcp://`, `ssl://` or, on one machine, `unix://`. @throws LeafwardError `invalid`, `unavailable`, `aborted`. */
export async function probeCell(
  options: { readonly url: string; readonly timeoutMs: number },
  signal: AbortSignal,
): Promise<LeaderProbe> {
  const beganAt = performance.now();
  const leftMs = (): number => Math.max(1, options.timeoutMs - (performance.now() - beganAt));
  const target = targetOf(options.url);
  const targets = await everyAddressOf(target, leftMs(), signal);
  // A name with several addresses answers when one of them does.
  const enough = new AbortController();
  const both = AbortSignal.any([signal, enough.signal]);
  const heard = await Promise.all(
    targets.map(async (one) => {
      const what = await ask(one, leftMs(), both);
      if (what.kind === 'answered') enough.abort();
      return what;
    }),
  );
  if (signal.aborted)
    throw new LeafwardError('aborted', `ask ${render(target)}: stopped by the caller`);
  const answer =
    heard.find(({ kind }) => kind === 'answered') ?? heard.find(({ kind }) => kind === 'silent');
  if (answer === undefined)
    throw unreachable(render(target), heard.map(({ said }) => said).join('; '));
  const tookMs = Math.round(performance.now() - beganAt);
  return { answered: answer.kind === 'answered', said: answer.said, tookMs };
}

/** @throws LeafwardError `invalid` for what nobody can ask directly. */
function targetOf(url: string): Target {
  const isSecure = url.startsWith('ssl://');
  const address = parseAddress(isSecure ? `tcp://${url.slice('ssl://'.length)}` : url);
  if (address === undefined) {
    const scheme = /^([a-z][a-z0-9+.-]{0,20}):/i.exec(url)?.[1];
    throw new LeafwardError(
      'invalid',
      `ask a leader under ${scheme === undefined ? 'what is no URL' : `a URL of ${scheme}://`}: a witness can ask tcp://HOST:PORT, ssl://HOST:PORT and, on the same machine, unix:///PATH`,
    );
  }
  return isSecure && address.kind === 'tcp' ? { address, secureAs: address.host } : { address };
}

async function everyAddressOf(
  target: Target,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<readonly Target[]> {
  const { address, secureAs } = target;
  if (address.kind === 'unix') return [target];
  const hosts = await addressesOf(address.host, deadlineMs, signal);
  return hosts.map((host) => ({ address: { ...address, host }, secureAs }));
}

/** Never throws. */
function ask(target: Target, timeoutMs: number, signal: AbortSignal): Promise<Heard> {
  return new Promise((resolve) => {
    const socket = open(target);
    const settle = (heard: Heard): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(heard);
    };
    // Half a word is a word.
    const unheard = (why: string): void =>
      socket.bytesRead > 0
        ? settle({ kind: 'answered', said: `${render(target)} began to answer` })
        : settle({ kind: 'silent', said: `${render(target)} ${why}` });
    const onAbort = (): void => unheard('was not waited for');
    const timer = setTimeout(
      () => unheard(`said nothing in ${Math.round(timeoutMs)} ms`),
      timeoutMs,
    );
    socket.on('error', (error) => settle(meaningOf(error, target)));
    socket.on('close', () => unheard('closed the connection without a word'));
    if (target.secureAs === undefined) greet(socket, settle);
    else
      socket.once('secureConnect', () =>
        settle({ kind: 'answered', said: `${(socket as TLSSocket).getProtocol() ?? 'TLS'}` }),
      );
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

function open({ address, secureAs }: Target): Socket {
  if (address.kind === 'unix') return createConnection({ path: address.path });
  const { host, port } = address;
  if (secureAs === undefined) return createConnection({ host, port });
  // Whoever it is: that its program answers is all that is asked, and nothing is told to it.
  const servername = isIP(secureAs) === 0 ? { servername: secureAs } : {};
  return connectSecurely({ host, port, rejectUnauthorized: false, ...servername });
}

/** Says hello as nobody, and takes the first message for the answer. */
function greet(socket: Socket, settle: (heard: Heard) => void): void {
  const reader = createMessageReader(MAX_HELLO_BYTES);
  socket.once('connect', () => void socket.write(encodeHello()));
  socket.on('data', (chunk) => {
    try {
      const [first] = reader.push(chunk);
      if (first !== undefined) settle(heardIn(first));
    } catch (error) {
      settle(noTelepath(messageOf(error)));
    }
  });
}

function heardIn(message: Uint8Array): Heard {
  const [kind, body] = listOf(decode(message));
  if (kind !== 'tele:syn') return noTelepath('its first words are others');
  const hello = mapOf(body);
  const [ok, value] = listOf(hello['retn']);
  const version = listOf(mapOf(hello['sharinfo'])['syn:version']).map(numberOf).join('.');
  const errname = ok === true ? undefined : stringOf(listOf(value)[0]);
  const said = errname === undefined ? `Synapse ${version}` : `the error ${errname}`;
  return { kind: 'answered', said: `Telepath: ${said.trim().slice(0, MOST_SAID)}` };
}
const MOST_SAID = 100;

/** Another program has its port: nothing was heard of the cell, and nobody knows of its silence either. */
function noTelepath(why: string): Heard {
  return { kind: 'unasked', said: `what listens there does not speak Telepath: ${why}` };
}

function meaningOf(error: NodeJS.ErrnoException, target: Target): Heard {
  const { address, secureAs } = target;
  const code = error.code ?? 'no code';
  if (secureAs !== undefined && /^(ERR_SSL_|EPROTO$)/.test(code)) return meaningOfTls(error);
  if (SILENT_CODES.has(code)) return { kind: 'silent', said: `${render(target)}: ${code}` };
  // A cell that ended in order takes its socket along; on another machine its whole storage is not there.
  const isGone = code === 'ENOENT' && address.kind === 'unix' && existsSync(dirname(address.path));
  return { kind: isGone ? 'silent' : 'unasked', said: `${render(target)}: ${code}` };
}

/** OpenSSL objects to what it was sent, so something was. */
function meaningOfTls(error: Error & { readonly reason?: string }): Heard {
  const reason = (error.reason ?? error.message).slice(0, MOST_SAID);
  if (NO_TLS.test(reason))
    return { kind: 'unasked', said: `what listens there does not speak TLS: ${reason}` };
  // It refused who asks or how, as one that wants a certificate does.
  return { kind: 'answered', said: `TLS: ${reason}` };
}

/** Never with a password. */
const render = ({ address, secureAs }: Target): string =>
  secureAs === undefined ? renderAddress(address) : renderAddress(address).replace('tcp', 'ssl');
