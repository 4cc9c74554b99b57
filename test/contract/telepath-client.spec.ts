// The engine's Telepath client against every recorded exchange with real cells.
import { expect } from 'chai';
import { decode } from '@leafward/agent/engines/synapse/telepath/decode.js';
import { encodeCall, encodeHello } from '@leafward/agent/engines/synapse/telepath/encode.js';
import { createMessageReader } from '@leafward/agent/engines/synapse/telepath/message-reader.js';
import type { Argument } from '@leafward/agent/engines/synapse/telepath/encode.js';
import { valueOfReturn, CellError } from '@leafward/agent/engines/synapse/telepath/cell-error.js';
import { listOf, mapOf, type Value } from '@leafward/agent/engines/synapse/telepath/value.js';
import { pack, type Packable } from '../standin/pack.js';
import {
  RECORDED_PER_VERSION,
  RECORDED_VERSIONS,
  readRecorded,
  type Exchange,
} from './recorded.js';

const MAX_BYTES = 1 << 20;
/** Hellos that the client never says: they were sent to see the refusal. */
const NEVER_SAID = new Set(['handshake:vers2', 'handshake:nosuchname']);

function encodeAsClient({ call, label }: Exchange): Uint8Array {
  if (call[0] === 'tele:syn') {
    if (NEVER_SAID.has(label)) return pack(call as unknown as Packable);
    return encodeHello(call[1].auth?.[0]);
  }
  const [method, args, kwargs] = call[1].todo;
  return encodeCall(
    { method, args: args as Argument[], kwargs: kwargs as Record<string, Argument> },
    call[1].sess,
  );
}

function messagesOf(bytes: Uint8Array, chunkBytes: number): Uint8Array[] {
  const reader = createMessageReader(MAX_BYTES);
  const messages: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    messages.push(...reader.push(bytes.subarray(at, at + chunkBytes)));
  }
  return messages;
}

for (const version of RECORDED_VERSIONS) {
  describe(`telepath client against recorded ${version}`, () => {
    const exchanges = readRecorded(version);

    it('has the whole recording', () => {
      expect(exchanges).to.have.length(RECORDED_PER_VERSION);
    });

    it('encodes every call to the recorded bytes', () => {
      for (const exchange of exchanges) {
        expect(hex(encodeAsClient(exchange)), exchange.label).to.equal(hex(exchange.sent));
      }
    });

    it('cuts every answer into the same messages however it arrives', () => {
      for (const { received, label } of exchanges) {
        const whole = messagesOf(received, received.length).map(hex);
        expect(whole.join(''), label).to.equal(hex(received));
        for (const chunkBytes of [1, 7]) {
          expect(messagesOf(received, chunkBytes).map(hex), label).to.deep.equal(whole);
        }
      }
    });

    it('decodes every answer without loss: encoded again by another codec it is the same', () => {
      for (const { received, label } of exchanges) {
        for (const message of messagesOf(received, received.length)) {
          const again = pack(decode(message) as Packable);
          if (hex(again) === hex(message)) continue;
          // A float without a fraction comes back as an integer: the one difference that keeps the value.
          expect(rounded(decode(again)), label).to.equal(rounded(decode(message)));
          expect(hex(message), label).to.match(/cb/);
        }
      }
    });

    it('takes every error for what the cell called it', () => {
      const names = new Set<string>();
      for (const { received, label } of exchanges) {
        const [first] = messagesOf(received, received.length);
        const retn = mapOf(listOf(decode(first ?? new Uint8Array()))[1])['retn'];
        const [ok, value] = listOf(retn);
        if (ok !== false) continue;
        const errname = listOf(value)[0];
        expect(() => valueOfReturn(retn, label))
          .to.throw(CellError)
          .with.property('errname', errname);
        names.add(errname as string);
      }
      expect([...names]).to.include.members([
        'NoSuchMeth',
        'BackupAlreadyRunning',
        'BadConfValu',
        'TypeError',
      ]);
    });
  });
}

/** As text, with every integer as a float would hold it. */
function rounded(value: Value): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'bigint' ? Number(item) : item,
  );
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
