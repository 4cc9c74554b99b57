// The fast way over the wire says and writes exactly what the codec does, of every message type: of what fits, of what
// does not fit, and of bytes that somebody damaged.
import { fromBinary, toBinary, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { expect } from 'chai';
import fc from 'fast-check';
import * as agent from '@leafward/shared/gen/leafward/v1/agent_pb.js';
import * as enrollment from '@leafward/shared/gen/leafward/v1/enrollment_pb.js';
import * as fleet from '@leafward/shared/gen/leafward/v1/fleet_pb.js';
import * as operator from '@leafward/shared/gen/leafward/v1/operator_pb.js';
import { codecOf, wordsOf } from '@leafward/shared/rpc/codec.js';
import { wireDecoderOf } from '@leafward/shared/rpc/wire-decoder.js';
import { wireEncoderOf } from '@leafward/shared/rpc/wire-encoder.js';

type Data = Record<string, unknown>;

const exported: readonly object[] = Object.values({
  ...agent,
  ...enrollment,
  ...fleet,
  ...operator,
});
const types = exported.filter((one): one is DescMessage => 'kind' in one && one.kind === 'message');
/** Deeper parts are as small as they can be. */
const MAX_DEPTH = 6;
const RUNS = 40;

const text = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom('', '\u0000', '\ufffd', '\ufeff', '00.cortex', 'x'.repeat(300)),
);
const whole = fc.oneof(fc.maxSafeInteger(), fc.nat(300), fc.constantFrom(0, -1, 2 ** 31, 2 ** 32));
const scalars: Readonly<Record<number, fc.Arbitrary<unknown>>> = {
  1: fc.double(),
  3: whole,
  5: fc.integer(),
  8: fc.boolean(),
  9: text,
  12: fc.uint8Array({ maxLength: 8 }),
  13: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
};

function dataOf(desc: DescMessage, depth = 0): fc.Arbitrary<Data> {
  const union = desc.oneofs.find((oneof) => oneof.name === 'kind');
  const plain = desc.fields.filter((field) => union === undefined || field.oneof !== union);
  const common = recordOf(plain, depth);
  if (union === undefined) return common;
  const variants = union.fields.map(({ name, message }) =>
    fc
      .tuple(common, dataOf(message as DescMessage, depth + 1))
      .map(([shared, own]): Data => ({ kind: name.replaceAll('_', '-'), ...shared, ...own })),
  );
  return fc.oneof(...variants);
}

function recordOf(fields: readonly DescField[], depth: number): fc.Arbitrary<Data> {
  const entries = fields.map((field): [string, fc.Arbitrary<unknown>] => {
    const one = fieldOf(field, depth);
    const optional = field.proto.proto3Optional;
    const none = fc.constant(undefined);
    return [
      field.localName,
      !optional ? one : depth > MAX_DEPTH ? none : fc.option(one, { nil: undefined }),
    ];
  });
  return fc.record(Object.fromEntries(entries)).map(withoutSome);
}

/** A key may be there without a value, or not be there. */
function withoutSome(data: Data): Data {
  const entries = Object.entries(data).filter(
    ([key, value]) => value !== undefined || key.length % 2 === 0,
  );
  return Object.fromEntries(entries);
}

function fieldOf(field: DescField, depth: number): fc.Arbitrary<unknown> {
  const { message, enum: words, scalar } = field;
  const one = (): fc.Arbitrary<unknown> =>
    message !== undefined
      ? dataOf(message, depth + 1)
      : words !== undefined
        ? fc.constantFrom(...wordsOf(words).flatMap((w) => (w.number === 0 ? [] : [w.word])))
        : (scalars[scalar as number] as fc.Arbitrary<unknown>);
  const maxLength = depth > MAX_DEPTH ? 0 : 3;
  if (field.fieldKind === 'list')
    return maxLength === 0 ? fc.constant([]) : fc.array(one(), { maxLength });
  if (field.fieldKind === 'map')
    return maxLength === 0
      ? fc.constant({})
      : fc.dictionary(fc.string(), one(), { maxKeys: maxLength });
  return one();
}

/** What came of it, so that two ways can be compared; texts show the order of keys too. */
function outcome(act: () => unknown): string {
  const show = (_: string, value: unknown): unknown =>
    value === undefined
      ? 'undefined'
      : typeof value === 'number'
        ? `${Object.is(value, -0) ? '-0' : value}`
        : value;
  try {
    const value = act();
    return value instanceof Uint8Array
      ? Buffer.from(value).toString('hex')
      : JSON.stringify(value, show);
  } catch (error) {
    return String(error);
  }
}

const slowEncode = (desc: DescMessage, data: object): Uint8Array =>
  toBinary(desc, codecOf(desc).toMessage(data));
const slowDecode = (desc: DescMessage, bytes: Uint8Array): object =>
  codecOf(desc).toData(fromBinary(desc, bytes));

function expectSame(desc: DescMessage, bytes: Buffer): void {
  const slow = outcome(() => slowDecode(desc, bytes));
  expect(outcome(() => wireDecoderOf(desc)(bytes))).to.equal(slow);
  expect(outcome(() => wireDecoderOf(desc, true)(bytes))).to.equal(slow);
}

describe('the fast way over the wire', () => {
  for (const desc of types) {
    it(`is the codec’s own for ${desc.name}`, () => {
      fc.assert(
        fc.property(dataOf(desc), fc.nat(), fc.nat(255), (data, where, byte) => {
          const slow = outcome(() => slowEncode(desc, data));
          expect(outcome(() => wireEncoderOf(desc)(data))).to.equal(slow);
          const bytes = Buffer.from(slowEncode(desc, data));
          expectSame(desc, bytes);
          if (bytes.length === 0) return;
          const at = where % bytes.length;
          expectSame(desc, bytes.subarray(0, at));
          expectSame(
            desc,
            Buffer.concat([bytes.subarray(0, at), Buffer.of(byte), bytes.subarray(at + 1)]),
          );
          expectSame(desc, Buffer.concat([bytes, bytes.subarray(at)]));
        }),
        { numRuns: RUNS },
      );
    });
  }

  it('refuses what does not fit in the codec’s own words', () => {
    const wait = { code: 'c', subject: 's', message: 'm', since: 1, unblock: 'u', evidence: [] };
    const odd = [
      { ...wait, other: 1 },
      { ...wait, other: undefined },
      { ...wait, since: undefined },
      { ...wait, since: 1.5 },
      { ...wait, since: 2 ** 60 },
      { ...wait, code: 5 },
      { ...wait, evidence: undefined },
      { ...wait, deadlineAt: NaN },
    ];
    for (const data of odd) {
      const fast = outcome(() => wireEncoderOf(fleet.WaitSchema)(data));
      expect(fast).to.equal(outcome(() => slowEncode(fleet.WaitSchema, data)));
    }
  });

  it('has no message type that holds itself, so that no bytes can be too deep', () => {
    const visit = (desc: DescMessage, above: readonly string[]): void => {
      expect(above).to.not.include(desc.typeName);
      for (const { message } of desc.fields)
        if (message !== undefined) visit(message, [...above, desc.typeName]);
    };
    for (const desc of types) visit(desc, []);
  });
});
