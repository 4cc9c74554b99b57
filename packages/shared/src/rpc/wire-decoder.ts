// From the wire straight to domain data, for the messages that are many. Says exactly what codec.ts says of the same
// bytes: whatever is not plain (unknown fields, another order, errors) is left to it. No message and no bigint between.
import { fromBinary, type DescEnum, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { codecOf, wordsOf } from './codec.js';
import { newInterned, NotPlain, WireReader } from './wire-reader.js';

type Data = Record<string, unknown>;
type ReadValue = (reader: WireReader, end: number) => unknown;

/** Bytes of one message to domain data. @throws what Codec.toData and fromBinary throw. */
export type WireDecoder = (bytes: Buffer) => object;

/** `keepsTexts`: equal short texts of all messages are one; never for messages that may hold secrets. */
export function wireDecoderOf(desc: DescMessage, keepsTexts = false): WireDecoder {
  const fill = messageReaderOf(desc);
  const interned = keepsTexts ? newInterned() : undefined;
  return (bytes) => {
    try {
      const data: Data = {};
      fill(data, new WireReader(bytes, interned), bytes.length);
      return data;
    } catch (error) {
      if (error !== NotPlain.it) throw error;
      return codecOf(desc).toData(fromBinary(desc, bytes));
    }
  };
}

/** Reads to the end and sets what it reads, in the order of the fields. */
type FillMessage = (data: Data, reader: WireReader, end: number) => void;

const known = new Map<string, FillMessage>();

/** Compiled once, at first use: message types may contain each other. */
function messageReaderOf(desc: DescMessage): FillMessage {
  const before = known.get(desc.typeName);
  if (before !== undefined) return before;
  let made: FillMessage | undefined;
  const fill: FillMessage = (data, reader, end) => (made ??= compile(desc))(data, reader, end);
  known.set(desc.typeName, fill);
  return fill;
}

function compile(desc: DescMessage): FillMessage {
  const union = desc.oneofs.find((oneof) => oneof.name === 'kind');
  const inOrder = desc.fields.every((field, i) => field.number > (desc.fields[i - 1]?.number ?? 0));
  const isFit = inOrder && desc.oneofs.every((one) => one === union || isOptionalMark(one.name));
  if (!isFit) return giveUp;
  const plain = desc.fields.filter((field) => union === undefined || field.oneof !== union);
  const slots = plain.map(slotOf);
  if (union === undefined) return fillPlain(slots);
  return fillUnion(slots, union.fields);
}

const giveUp: FillMessage = () => {
  throw NotPlain.it;
};
/** `optional string a` is a oneof `_a` of its own in proto3. */
const isOptionalMark = (name: string): boolean => name.startsWith('_');

/** A field of a message. */
interface Slot {
  readonly name: string;
  readonly tag: number;
  /** Each occurrence is one more item or entry; else a second one is not plain. */
  readonly repeats: boolean;
  readonly read: (data: Data, reader: WireReader, end: number) => void;
  /** When the wire does not show it. */
  readonly absent: (data: Data) => void;
}

function fillPlain(slots: readonly Slot[]): FillMessage {
  const count = slots.length;
  return (data, reader, end) => {
    let at = 0;
    while (reader.at < end) {
      const tag = reader.small(end);
      at = forward(slots, at, tag, data);
      const slot = slots[at] as Slot;
      slot.read(data, reader, end);
      if (!slot.repeats) at += 1;
      else at = pastItems(slot, at, data, reader, end);
    }
    for (; at < count; at += 1) (slots[at] as Slot).absent(data);
  };
}

/** The slot of a tag; those before it that were not on the wire are filled. */
function forward(slots: readonly Slot[], from: number, tag: number, data: Data): number {
  for (let at = from; at < slots.length; at += 1) {
    const slot = slots[at] as Slot;
    if (slot.tag === tag) return at;
    slot.absent(data);
  }
  throw NotPlain.it;
}

/** Items of a list stand one after the other; what comes after them is the next field's. */
function pastItems(slot: Slot, at: number, data: Data, reader: WireReader, end: number): number {
  while (reader.at < end) {
    const before = reader.at;
    if (reader.small(end) !== slot.tag) {
      reader.at = before;
      break;
    }
    slot.read(data, reader, end);
  }
  return at + 1;
}

interface Variant {
  readonly kind: string;
  readonly fill: FillMessage;
}

/** `kind` first, then the common fields, then those of the variant, as codec.ts orders them. */
function fillUnion(slots: readonly Slot[], fields: readonly DescField[]): FillMessage {
  const variants = new Map<number, Variant>();
  for (const { number, name, message } of fields) {
    if (message === undefined) return giveUp;
    const kind = name.replaceAll('_', '-');
    variants.set(tagOf(number, LENGTH), { kind, fill: messageReaderOf(message) });
  }
  return (data, reader, end) => {
    data['kind'] = undefined;
    let variant: Variant | undefined;
    let from = 0;
    let to = 0;
    let at = 0;
    while (reader.at < end) {
      const tag = reader.small(end);
      const found = variants.get(tag);
      if (found !== undefined) {
        if (variant !== undefined) throw NotPlain.it;
        variant = found;
        to = reader.part(end);
        from = reader.at;
        reader.at = to;
        continue;
      }
      at = forward(slots, at, tag, data);
      const slot = slots[at] as Slot;
      slot.read(data, reader, end);
      at = slot.repeats ? pastItems(slot, at, data, reader, end) : at + 1;
    }
    if (variant === undefined) throw NotPlain.it;
    for (; at < slots.length; at += 1) (slots[at] as Slot).absent(data);
    data['kind'] = variant.kind;
    reader.at = from;
    variant.fill(data, reader, to);
    reader.at = end;
  };
}

const VARINT = 0;
const FIXED_64 = 1;
const LENGTH = 2;
const tagOf = (number: number, wireType: number): number => (number << 3) | wireType;

interface ValueReader {
  readonly wireType: number;
  readonly read: ReadValue;
  /** What an absent field without presence is. */
  readonly zero: unknown;
}

function slotOf(field: DescField): Slot {
  const name = field.localName;
  const optional = field.proto.proto3Optional;
  const value = valueReaderOf(field.message ?? field.enum ?? field.scalar);
  if (value === undefined) return hopeless(name);
  const tag = tagOf(field.number, value.wireType);
  switch (field.fieldKind) {
    case 'list':
      if (value.wireType !== LENGTH) return hopeless(name); // packed: no message has one
      return listSlot(name, tag, value.read);
    case 'map':
      return mapSlot(
        name,
        tagOf(field.number, LENGTH),
        (field.mapKey as number) === STRING ? value : undefined,
      );
    default:
      return {
        name,
        tag,
        repeats: false,
        read: (data, reader, end) => void (data[name] = value.read(reader, end)),
        absent: optional ? () => undefined : absentOf(name, value.zero),
      };
  }
}

/** No zero: a message or a word is required. */
function absentOf(name: string, zero: unknown): Slot['absent'] {
  if (zero === undefined) return giveUpSlot;
  return (data) => void (data[name] = zero);
}
const giveUpSlot = (): never => {
  throw NotPlain.it;
};
const hopeless = (name: string): Slot => ({
  name,
  tag: -1,
  repeats: false,
  read: giveUpSlot,
  absent: giveUpSlot,
});

function listSlot(name: string, tag: number, read: ReadValue): Slot {
  return {
    name,
    tag,
    repeats: true,
    read: (data, reader, end) => {
      const list = data[name] as unknown[] | undefined;
      if (list === undefined) data[name] = [read(reader, end)];
      else list.push(read(reader, end));
    },
    absent: (data) => void (data[name] = []),
  };
}

function mapSlot(name: string, tag: number, value: ValueReader | undefined): Slot {
  if (value === undefined) return hopeless(name);
  const [keyTag, valueTag] = [tagOf(1, LENGTH), tagOf(2, value.wireType)];
  return {
    name,
    tag,
    repeats: true,
    read: (data, reader, end) => {
      const map = (data[name] ??= {}) as Data;
      const to = reader.part(end);
      if (reader.small(to) !== keyTag) throw NotPlain.it;
      const key = reader.text(to);
      if (reader.small(to) !== valueTag) throw NotPlain.it;
      const read = value.read(reader, to);
      if (reader.at !== to || key === '__proto__') throw NotPlain.it;
      map[key] = read;
    },
    absent: (data) => void (data[name] = {}),
  };
}

const STRING = 9;
const scalars: Readonly<Record<number, ValueReader>> = {
  1: { wireType: FIXED_64, read: (reader, end) => reader.double(end), zero: 0 },
  3: { wireType: VARINT, read: (reader, end) => reader.whole(end, true), zero: 0 }, // int64
  4: { wireType: VARINT, read: (reader, end) => reader.whole(end, false), zero: 0 }, // uint64
  5: { wireType: VARINT, read: readInt32, zero: 0 },
  8: { wireType: VARINT, read: readBoolean, zero: false },
  9: { wireType: LENGTH, read: (reader, end) => reader.text(end), zero: '' },
  12: { wireType: LENGTH, read: (reader, end) => reader.data(end), zero: new Uint8Array() },
  13: { wireType: VARINT, read: readUint32, zero: 0 },
};

function readInt32(reader: WireReader, end: number): number {
  const value = reader.whole(end, true);
  if (value < -(2 ** 31) || value >= 2 ** 31) throw NotPlain.it;
  return value;
}

function readUint32(reader: WireReader, end: number): number {
  const value = reader.whole(end, false);
  if (value >= 2 ** 32) throw NotPlain.it;
  return value;
}

function readBoolean(reader: WireReader, end: number): boolean {
  const value = reader.byte(end);
  if (value > 1) throw NotPlain.it;
  return value === 1;
}

function valueReaderOf(type: DescMessage | DescEnum | number | undefined): ValueReader | undefined {
  if (type === undefined) return undefined;
  if (typeof type === 'number') return scalars[type];
  if (type.kind === 'enum') return enumReader(type);
  const fill = messageReaderOf(type);
  const read: ReadValue = (reader, end) => {
    const data: Data = {};
    const to = reader.part(end);
    fill(data, reader, to);
    return data;
  };
  return { wireType: LENGTH, read, zero: undefined };
}

function enumReader(desc: DescEnum): ValueReader {
  const words: (string | undefined)[] = [];
  for (const { word, number } of wordsOf(desc)) if (number > 0) words[number] = word;
  const read: ReadValue = (reader, end) => {
    const word = words[reader.small(end)];
    if (word === undefined) throw NotPlain.it;
    return word;
  };
  return { wireType: VARINT, read, zero: undefined };
}
