// From domain data straight to the wire, for the messages that are many. Writes the very bytes that codec.ts would:
// whatever does not fit is left to it, which says why. No message and no bigint between.
import { toBinary, type DescEnum, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { codecOf, wordsOf } from './codec.js';
import { NotPlain } from './wire-reader.js';
import { WireWriter } from './wire-writer.js';

type Data = Record<string, unknown>;
/** Writes the value alone, without its tag. */
type WriteValue = (writer: WireWriter, value: unknown) => void;

/** Domain data to bytes. @throws what Codec.toMessage and toBinary throw. */
export type WireEncoder = (data: object) => Buffer;

export function wireEncoderOf(desc: DescMessage): WireEncoder {
  const write = messageWriterOf(desc);
  return (data) => {
    try {
      writer.begin();
      write(writer, data as Data);
      return writer.written();
    } catch (error) {
      if (error !== NotPlain.it) throw error;
      return Buffer.from(toBinary(desc, codecOf(desc).toMessage(data)));
    }
  };
}

/** One for all: nothing that writes waits. */
const writer = new WireWriter();

type WriteMessage = (writer: WireWriter, data: Data) => void;

const known = new Map<string, WriteMessage>();

/** Compiled once, at first use: message types may contain each other. */
function messageWriterOf(desc: DescMessage): WriteMessage {
  const before = known.get(desc.typeName);
  if (before !== undefined) return before;
  let made: WriteMessage | undefined;
  const write: WriteMessage = (to, data) => (made ??= compile(desc))(to, data);
  known.set(desc.typeName, write);
  return write;
}

function giveUp(): never {
  throw NotPlain.it;
}

/** A field: writes it with its tag, or nothing for what the wire does not show. */
interface Slot {
  readonly name: string;
  readonly number: number;
  readonly optional: boolean;
  readonly write: WriteValue;
}

function compile(desc: DescMessage): WriteMessage {
  const union = desc.oneofs.find((oneof) => oneof.name === 'kind');
  const plain = desc.fields.filter((field) => union === undefined || field.oneof !== union);
  const slots = plain.map(slotOf).sort((a, b) => a.number - b.number);
  if (union === undefined)
    return (to, data) => {
      if (writeSlots(slots, to, data) !== countOf(data)) giveUp();
    };
  return compileUnion(slots, union.fields);
}

/** Returns how many keys of the data it has seen: any other is unknown. */
function writeSlots(slots: readonly Slot[], to: WireWriter, data: Data): number {
  let seen = 0;
  for (const slot of slots) {
    const value = data[slot.name];
    if (value !== undefined) {
      slot.write(to, value);
      seen += 1;
    } else if (!slot.optional) giveUp();
    else if (slot.name in data) seen += 1;
  }
  return seen;
}

function countOf(data: Data): number {
  let count = 0;
  for (const key in data) if (key !== undefined) count += 1;
  return count;
}

interface Variant {
  readonly number: number;
  readonly tag: number;
  readonly slots: readonly Slot[];
}

/** Fields of the variant stand beside the common ones in the data and in a message of their own on the wire. */
function compileUnion(common: readonly Slot[], fields: readonly DescField[]): WriteMessage {
  const variants = new Map<unknown, Variant>();
  for (const { number, name, message } of fields) {
    const isPlain = message !== undefined && message.oneofs.every((one) => one.name !== 'kind');
    if (!isPlain) return giveUp; // a union in a union has its own word for both
    const slots = message.fields.map(slotOf).sort((a, b) => a.number - b.number);
    const kind = name.replaceAll('_', '-');
    variants.set(kind, { number, tag: tagOf(number, LENGTH), slots });
  }
  return (to, data) => {
    const variant = variants.get(data['kind']);
    if (variant === undefined) return giveUp();
    const before = common.filter(({ number }) => number < variant.number);
    const after = before.length === common.length ? [] : common.slice(before.length);
    let seen = 1 + writeSlots(before, to, data);
    to.small(variant.tag);
    const from = to.open();
    seen += writeSlots(variant.slots, to, data);
    to.close(from);
    seen += writeSlots(after, to, data);
    if (seen !== countOf(data)) giveUp();
  };
}

const VARINT = 0;
const FIXED_64 = 1;
const LENGTH = 2;
const tagOf = (number: number, wireType: number): number => (number << 3) | wireType;

interface ValueWriter {
  readonly wireType: number;
  readonly write: WriteValue;
  /** True for what a field without presence does not show. */
  readonly isZero: (value: unknown) => boolean;
}

function slotOf(field: DescField): Slot {
  const optional = field.proto.proto3Optional;
  const base = { name: field.localName, number: field.number, optional };
  const value = valueWriterOf(field.message ?? field.enum ?? field.scalar);
  if (value === undefined) return { ...base, write: giveUp };
  const tag = tagOf(field.number, value.wireType);
  const { write, isZero } = value;
  switch (field.fieldKind) {
    case 'list':
      return { ...base, write: value.wireType === LENGTH ? listWriter(tag, write) : giveUp };
    case 'map':
      return {
        ...base,
        write: (field.mapKey as number) === STRING ? mapWriter(field.number, value) : giveUp,
      };
    default:
      return {
        ...base,
        write: (to, given) => {
          if (!optional && isZero(given)) return;
          to.small(tag);
          write(to, given);
        },
      };
  }
}

function listWriter(tag: number, write: WriteValue): WriteValue {
  return (to, list) => {
    if (!Array.isArray(list)) giveUp();
    for (const item of list as unknown[]) {
      to.small(tag);
      write(to, item);
    }
  };
}

function mapWriter(number: number, { wireType, write }: ValueWriter): WriteValue {
  const [tag, keyTag, valueTag] = [tagOf(number, LENGTH), tagOf(1, LENGTH), tagOf(2, wireType)];
  return (to, map) => {
    for (const [key, value] of Object.entries(map as Data)) {
      if (key === '__proto__') giveUp();
      to.small(tag);
      const from = to.open();
      to.small(keyTag);
      to.text(key);
      to.small(valueTag);
      write(to, value);
      to.close(from);
    }
  };
}

const STRING = 9;
const never = (): boolean => false;
const wholeWithin = (least: number, most: number): ValueWriter => ({
  wireType: VARINT,
  write: (to, value) => {
    if (!Number.isSafeInteger(value)) giveUp();
    if ((value as number) < least || (value as number) > most) giveUp();
    to.whole(value as number);
  },
  isZero: (value) => value === 0,
});
const scalars: Readonly<Record<number, ValueWriter>> = {
  1: {
    wireType: FIXED_64,
    write: (to, value) => {
      if (typeof value !== 'number') giveUp();
      to.double(value);
    },
    // A zero below zero is shown.
    isZero: (value) => Object.is(value, 0),
  },
  3: wholeWithin(-Infinity, Infinity), // int64
  5: wholeWithin(-(2 ** 31), 2 ** 31 - 1),
  8: {
    wireType: VARINT,
    write: (to, value) => {
      if (typeof value !== 'boolean') giveUp();
      to.small(value === true ? 1 : 0);
    },
    isZero: (value) => value === false,
  },
  9: {
    wireType: LENGTH,
    write: (to, value) => {
      if (typeof value !== 'string') giveUp();
      to.text(value);
    },
    isZero: (value) => value === '',
  },
  12: {
    wireType: LENGTH,
    write: (to, value) => {
      if (!(value instanceof Uint8Array)) giveUp();
      to.data(value);
    },
    isZero: (value) => value instanceof Uint8Array && value.length === 0,
  },
  13: wholeWithin(0, 2 ** 32 - 1),
};

function valueWriterOf(type: DescMessage | DescEnum | number | undefined): ValueWriter | undefined {
  if (type === undefined) return undefined;
  if (typeof type === 'number') return scalars[type];
  if (type.kind === 'enum') return enumWriter(type);
  const writeMessage = messageWriterOf(type);
  const write: WriteValue = (to, value) => {
    if (typeof value !== 'object' || value === null) giveUp();
    const from = to.open();
    writeMessage(to, value as Data);
    to.close(from);
  };
  return { wireType: LENGTH, write, isZero: never };
}

function enumWriter(desc: DescEnum): ValueWriter {
  const numbers = new Map<unknown, number>(wordsOf(desc).map(({ word, number }) => [word, number]));
  const write: WriteValue = (to, value) => {
    const number = numbers.get(value);
    if (number === undefined || number <= 0) return giveUp();
    to.small(number);
  };
  return { wireType: VARINT, write, isZero: never };
}
