// Telepath's codec and links, where recordings cannot reach: odd values, cut streams, limits, dead peers.
import { expect } from 'chai';
import fc from 'fast-check';
import { once } from 'node:events';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import {
  parseAddress,
  socketOf,
  withoutPassword,
} from '@leafward/agent/engines/synapse/telepath/address.js';
import { bytesAt, decode } from '@leafward/agent/engines/synapse/telepath/decode.js';
import { MalformedMessage } from '@leafward/agent/engines/synapse/telepath/header.js';
import { createHeldLink } from '@leafward/agent/engines/synapse/telepath/held-link.js';
import { openLink, type Link } from '@leafward/agent/engines/synapse/telepath/link.js';
import { createMessageReader } from '@leafward/agent/engines/synapse/telepath/message-reader.js';
import type { Value } from '@leafward/agent/engines/synapse/telepath/value.js';
import { pack, type Packable } from '../standin/pack.js';

const LIMIT_BYTES = 1 << 20;
const never = new AbortController().signal;

describe('telepath codec', () => {
  const values = fc.letrec<{ value: Packable }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
      fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
      fc.double({ noNaN: true }).filter((number) => !Number.isInteger(number)),
      fc.string({ unit: 'grapheme', maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.array(tie('value'), { maxLength: 20 }),
      fc.dictionary(fc.string(), tie('value'), { maxKeys: 20 }),
    ),
  })).value;

  it('gives back any value, also through a stream cut anywhere', () => {
    fc.assert(
      fc.property(
        fc.array(values, { maxLength: 5 }),
        fc.integer({ min: 1, max: 50 }),
        (list, size) => {
          const reader = createMessageReader(LIMIT_BYTES);
          const stream = Buffer.concat(list.map(pack));
          const got: Value[] = [];
          for (let at = 0; at < stream.length; at += size) {
            got.push(...reader.push(stream.subarray(at, at + size)).map(decode));
          }
          expect(got.map((value) => pack(value as Packable).toString('hex'))).to.deep.equal(
            list.map((value) => pack(value).toString('hex')),
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  it('keeps a lone surrogate in a short and in a long string', () => {
    const lone = Buffer.from('eda080', 'hex');
    for (const before of ['', 'x'.repeat(10), 'é'.repeat(150)]) {
      const text = Buffer.concat([Buffer.from(before), lone, Buffer.from('é')]);
      const head = Buffer.of(0xda, text.length >> 8, text.length & 0xff);
      expect(decode(Buffer.concat([head, text]))).to.equal(`${before}\ud800é`);
    }
  });

  it('keeps nil and integers as keys, and a key that is __proto__', () => {
    const odd = new Map<Packable, Packable>([
      [null, 'a'],
      [7, 'b'],
      ['7', 'c'],
    ]);
    expect(decode(pack(odd))).to.deep.equal(odd);
    const hostile = decode(
      Buffer.concat([Buffer.of(0x81), pack('__proto__'), pack({ admin: true })]),
    );
    expect(Object.keys(hostile as object)).to.deep.equal(['__proto__']);
    expect((hostile as { admin?: boolean }).admin).to.equal(undefined);
  });

  it('keeps integers past 2^53', () => {
    expect(decode(pack(9_223_372_036_854_771_712n))).to.equal(9_223_372_036_854_771_712n);
    expect(decode(pack(2 ** 40))).to.equal(2 ** 40);
  });

  it('refuses what is no message: cut, nested without end, longer than it can be, undefined bytes', () => {
    const broken = [
      Buffer.of(0x92, 0x01),
      Buffer.alloc(10_000, 0x91),
      Buffer.of(0xdd, 0xff, 0xff, 0xff, 0xff, 0x01),
      Buffer.of(0xc1),
      Buffer.of(0x01, 0x02),
    ];
    for (const bytes of broken) expect(() => decode(bytes)).to.throw(MalformedMessage);
  });

  it('never holds more than its limit', () => {
    const reader = createMessageReader(1_000);
    expect(reader.push(pack('x'.repeat(900)))).to.have.length(1);
    expect(() => reader.push(Buffer.of(0xdb, 0x7f, 0xff, 0xff, 0xff))).to.throw(MalformedMessage);
  });

  it('reads a very large message in one pass', () => {
    const large = pack(['x'.repeat(8 * 1024 * 1024)]);
    const reader = createMessageReader(16 * 1024 * 1024);
    const messages: Uint8Array[] = [];
    for (let at = 0; at < large.length; at += 65_536) {
      messages.push(...reader.push(large.subarray(at, at + 65_536)));
    }
    expect(messages.map((message) => message.length)).to.deep.equal([large.length]);
  });

  it('finds the exact bytes of a part', () => {
    const message = pack(['t2:yield', { retn: [true, [5, ['entry', 1.5]]] }]);
    expect(bytesAt(message, [1, 'retn', 1, 1])).to.deep.equal(new Uint8Array(pack(['entry', 1.5])));
    expect(bytesAt(message, [1, 'nothing'])).to.equal(undefined);
    expect(bytesAt(message, [1, 'retn', 9])).to.equal(undefined);
  });
});

describe('telepath address', () => {
  it('reads unix and tcp URLs, and nothing that needs a certificate or a registry', () => {
    expect(parseAddress('unix:///a/b/sock')).to.deep.equal({ kind: 'unix', path: '/a/b/sock' });
    expect(parseAddress('unix:///a/sock:share')).to.deep.equal({ kind: 'unix', path: '/a/sock' });
    expect(parseAddress('cell:///a')).to.deep.equal({ kind: 'unix', path: '/a/sock' });
    expect(parseAddress('tcp://root:x@h:1/y')).to.deep.equal({ kind: 'tcp', host: 'h', port: 1 });
    expect(parseAddress('tcp://[::1]:2')).to.deep.equal({ kind: 'tcp', host: '::1', port: 2 });
    for (const url of ['aha://cortex.loop', 'ssl://h:1', 'tcp://h:99999', 'nonsense', '']) {
      expect(parseAddress(url), url).to.equal(undefined);
    }
  });

  it('never shows a password', () => {
    expect(withoutPassword('aha://root:secret@cortex.loop')).to.equal('aha://root@cortex.loop');
    expect(withoutPassword('tcp://h:1')).to.equal('tcp://h:1');
  });

  it('refuses a socket path that the kernel cannot take', () => {
    expect(() => socketOf(`/${'x'.repeat(200)}`)).to.throw(LeafwardError, '107');
  });
});

describe('telepath link', () => {
  const HELLO = pack([
    'tele:syn',
    { vers: [3, 0], retn: [true, null], sharinfo: { 'syn:version': [2, 150, 0] }, sess: 'session' },
  ]);
  let root: string;
  let path: string;
  let server: Server;
  let sockets: Socket[];
  /** Answers the n-th message of a link; the hello is message 0. */
  let respond: (socket: Socket, message: Value, index: number) => void;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'lw-link-'));
    path = join(root, 'sock');
    sockets = [];
    server = createServer((socket) => {
      sockets.push(socket);
      const reader = createMessageReader(LIMIT_BYTES);
      let index = 0;
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        for (const message of reader.push(chunk)) {
          if (index++ === 0) socket.write(HELLO);
          else respond(socket, decode(message), index - 2);
        }
      });
    }).listen(path);
    await once(server, 'listening');
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await rm(root, { recursive: true, force: true });
  });
  const open = (): Promise<Link> =>
    openLink({ address: { kind: 'unix', path }, deadlineMs: 1_000 }, never);
  const codeOf = async (attempt: Promise<unknown>): Promise<string> =>
    attempt.then(
      () => 'no error',
      (error: unknown) => (error instanceof LeafwardError ? error.code : String(error)),
    );
  const fini = (value: Packable): Buffer => pack(['t2:fini', { retn: [true, value] }]);

  it('sends calls without waiting and gives each its own answer', async () => {
    const waiting: number[] = [];
    respond = (socket, _message, index) => {
      waiting.push(index);
      if (waiting.length === 3) socket.write(Buffer.concat(waiting.map((which) => fini(which))));
    };
    const link = await open();
    expect(link.version).to.equal('2.150.0');
    const answers = ['a', 'b', 'c'].map((method) => link.call({ method }, 1_000, never));
    expect(await Promise.all(answers)).to.deep.equal([0, 1, 2]);
    link.close();
  });

  it('closes when a call is late or stopped, and fails all that wait', async () => {
    respond = () => undefined;
    const late = await open();
    const [first, second] = [
      codeOf(late.call({ method: 'a' }, 50, never)),
      codeOf(late.call({ method: 'b' }, 5_000, never)),
    ];
    expect(await first).to.equal('timeout');
    expect(await second).to.equal('unavailable');
    expect(late.lost).to.equal(true);
    const stopped = await open();
    const stop = new AbortController();
    const call = codeOf(stopped.call({ method: 'a' }, 5_000, stop.signal));
    stop.abort();
    expect(await call).to.equal('aborted');
    expect(await codeOf(stopped.call({ method: 'b' }, 50, never))).to.equal('unavailable');
  });

  it('keeps the errname, with and without a message', async () => {
    const infos: Packable[] = [{ mesg: 'no' }, {}];
    respond = (socket, _message, index) =>
      void socket.write(pack(['t2:fini', { retn: [false, ['BadConfValu', infos[index] ?? {}]] }]));
    const link = await open();
    for (const text of ['promote on', 'BadConfValu']) {
      const error: unknown = await link
        .call({ method: 'promote' }, 1_000, never)
        .catch((e: unknown) => e);
      expect(error).to.be.instanceOf(LeafwardError).with.property('errname', 'BadConfValu');
      expect((error as Error).message).to.contain(text);
    }
    link.close();
  });

  it('gives a generator item by item, its error last, and closes when it is left', async () => {
    respond = (socket) => {
      socket.write(pack(['t2:genr', {}]));
      for (const item of [1, 2]) socket.write(pack(['t2:yield', { retn: [true, item] }]));
      socket.write(pack(['t2:yield', { retn: [false, ['SynErr', { mesg: 'broke' }]] }]));
    };
    const link = await open();
    const got: Value[] = [];
    const read = async (): Promise<void> => {
      for await (const item of link.generate({ method: 'g' }, 1_000, never)) got.push(item.value);
    };
    expect(await codeOf(read())).to.equal('failed');
    expect(got).to.deep.equal([1, 2]);
    const left = await open();
    for await (const item of left.generate({ method: 'g' }, 1_000, never)) {
      expect(item.value).to.equal(1);
      break;
    }
    expect(left.lost).to.equal(true);
  });

  it('bounds the wait for an item, and what it keeps for a slow reader', async () => {
    respond = (socket) => {
      for (let item = 0; item < 1_000; item++) {
        socket.write(pack(['t2:yield', { retn: [true, item] }]));
      }
    };
    const link = await open();
    const got: Value[] = [];
    const read = async (): Promise<void> => {
      for await (const item of link.generate({ method: 'g' }, 100, never)) got.push(item.value);
    };
    expect(await codeOf(read())).to.equal('timeout');
    expect(got).to.have.length(1_000);
  });

  it('takes a missing socket, a stale one and one that closes at the hello for a cell that is down', async () => {
    const at = (where: string): Promise<string> =>
      codeOf(openLink({ address: { kind: 'unix', path: where }, deadlineMs: 500 }, never));
    expect(await at(join(root, 'none'))).to.equal('unavailable');
    const stale = createServer().listen(join(root, 'fresh'));
    await once(stale, 'listening');
    await rename(join(root, 'fresh'), join(root, 'stale'));
    stale.close();
    expect(await at(join(root, 'stale'))).to.equal('unavailable');
    const closing = createServer((socket) => socket.destroy()).listen(join(root, 'closing'));
    await once(closing, 'listening');
    expect(await at(join(root, 'closing'))).to.equal('unavailable');
    closing.close();
    const silent = createServer(() => undefined).listen(join(root, 'silent'));
    await once(silent, 'listening');
    expect(await at(join(root, 'silent'))).to.equal('timeout');
    silent.close();
  });

  it('is opened again by its holder after it broke', async () => {
    respond = (socket, _message, index) =>
      void (index === 0 ? socket.write(fini('one')) : socket.destroy());
    const held = createHeldLink({ kind: 'unix', path }, 1_000);
    const first = await held.get(never);
    expect(await first.call({ method: 'a' }, 1_000, never)).to.equal('one');
    expect(await held.get(never)).to.equal(first);
    expect(await codeOf(first.call({ method: 'b' }, 1_000, never))).to.equal('unavailable');
    const second = await held.get(never);
    expect(second).to.not.equal(first);
    expect(await second.call({ method: 'c' }, 1_000, never)).to.equal('one');
    held.drop();
    expect(second.lost).to.equal(true);
  });

  it('gives up on a peer that sends no messages', async () => {
    respond = (socket) => void socket.write(Buffer.of(0xc1, 0xc1));
    const link = await open();
    expect(await codeOf(link.call({ method: 'a' }, 1_000, never))).to.equal('unavailable');
    expect(link.lost).to.equal(true);
  });
});
