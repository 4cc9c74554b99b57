// The one place where domain data becomes protocol messages and back. Derived from the descriptors, so a
// field that exists on one side only is an error at once. Must never fill in what was not sent.
import {
  create,
  type DescEnum,
  type DescField,
  type DescMessage,
  type DescOneof,
  type Message,
} from '@bufbuild/protobuf';
import { assert, AssertionError } from '../assert.js';
import { LeafwardError } from '../errors.js';

type Data = Record<string, unknown>;
type Convert = (value: never) => unknown;

/** Both directions of one message type. */
export interface Codec {
  /** @throws AssertionError when the data has an unknown key or lacks a required one: a bug here. */
  readonly toMessage: (data: object) => Message;
  /** @throws LeafwardError `invalid` when the message lacks a required field: the peer's fault. */
  readonly toData: (message: Message) => Data;
}

/** Both directions, compiled; what does not fit is a Misfit. */
interface Compiled {
  readonly encode: (data: object) => Message;
  readonly decode: (message: Message) => Data;
}

/**
 * What does not fit and where. The way to it is put together on the way up, since it would cost more than the rest
 * if every field of every message had to know it.
 */
class Misfit extends Error {
  constructor(
    readonly what: string,
    public where = '',
  ) {
    super(what);
  }
}

/** The same error, one step further from where it happened. */
function within(step: string, error: unknown): unknown {
  if (error instanceof Misfit) error.where = step + error.where;
  return error;
}

/** The codec of a message type. */
export function codecOf(desc: DescMessage): Codec {
  const compiled = compiledOf(desc);
  return {
    toMessage: (data) => {
      try {
        return compiled.encode(data);
      } catch (error) {
        if (!(error instanceof Misfit)) throw error;
        throw new AssertionError(`${desc.name}${error.where}${error.what}`);
      }
    },
    toData: (message) => {
      try {
        return compiled.decode(message);
      } catch (error) {
        if (!(error instanceof Misfit)) throw error;
        const what = `${desc.name}${error.where}${error.what}`;
        throw new LeafwardError('invalid', `a message cannot be understood: ${what}`);
      }
    },
  };
}

const known = new Map<string, Compiled>();

/** Compiled once, at first use: message types may contain each other. */
function compiledOf(desc: DescMessage): Compiled {
  const before = known.get(desc.typeName);
  if (before !== undefined) return before;
  let made: Compiled | undefined;
  const compiled: Compiled = {
    encode: (data) => (made ??= compile(desc)).encode(data),
    decode: (message) => (made ??= compile(desc)).decode(message),
  };
  known.set(desc.typeName, compiled);
  return compiled;
}

interface FieldCodec {
  readonly name: string;
  readonly optional: boolean;
  /** Undefined: the value is the same on both sides. */
  readonly encode: Convert | undefined;
  readonly decode: Convert | undefined;
}

function compile(desc: DescMessage): Compiled {
  const union = desc.oneofs.find((oneof) => oneof.name === 'kind');
  const fields = desc.fields.filter((field) => field.oneof !== union || union === undefined);
  const plain = fields.map(fieldCodec);
  if (union === undefined)
    return { encode: encodePlain(desc, plain, namesOf(plain)), decode: decodePlain(plain) };
  return compileUnion(desc, union, plain);
}

const namesOf = (fields: readonly { readonly name: string }[]): ReadonlySet<string> =>
  new Set(fields.map((field) => field.name));

interface Variant extends Compiled {
  readonly kind: string;
  readonly localName: string;
  /** Fields of the variant itself, without the common ones. */
  readonly own: readonly string[];
  readonly allowed: ReadonlySet<string>;
}

function compileUnion(desc: DescMessage, union: DescOneof, plain: readonly FieldCodec[]): Compiled {
  const variants = union.fields.map((field) => variantOf(desc, field, plain));
  const byKind = new Map(variants.map((variant) => [variant.kind, variant]));
  const byLocalName = new Map(variants.map((variant) => [variant.localName, variant]));
  const encodeCommon = encodePlain(desc, plain, undefined);
  const decodeCommon = decodePlain(plain);
  return {
    encode: (data) => {
      const kind = String((data as Data)['kind']);
      const variant = byKind.get(kind);
      if (variant === undefined) throw new Misfit(`: no kind ${kind}`);
      const message = encodeCommon(data) as unknown as Data;
      const inner: Data = {};
      for (const name of variant.own) if (name in data) inner[name] = (data as Data)[name];
      for (const key in data)
        if (key !== 'kind' && !variant.allowed.has(key)) throw new Misfit(`: unknown key ${key}`);
      try {
        message['kind'] = { case: variant.localName, value: variant.encode(inner) };
      } catch (error) {
        throw within(`.${kind}`, error);
      }
      return message as unknown as Message;
    },
    decode: (message) => {
      const { case: name, value } = (
        message as unknown as { kind: { case?: string; value?: Message } }
      ).kind;
      const variant = name === undefined ? undefined : byLocalName.get(name);
      if (variant === undefined || value === undefined) throw new Misfit(' says no kind');
      const data = decodeCommon(message);
      try {
        return Object.assign({ kind: variant.kind }, data, variant.decode(value));
      } catch (error) {
        throw within(`.${variant.kind}`, error);
      }
    },
  };
}

function variantOf(desc: DescMessage, field: DescField, plain: readonly FieldCodec[]): Variant {
  assert(field.message !== undefined, `${desc.name}.${field.name} must be a message`);
  const own = field.message.fields.map((inner) => inner.localName);
  return {
    ...compiledOf(field.message),
    kind: kebabCase(field.name),
    localName: field.localName,
    own,
    allowed: new Set([...namesOf(plain), ...own]),
  };
}

/** `allowed`: the keys that the data may have; undefined: somebody else looks at them. */
function encodePlain(
  desc: DescMessage,
  fields: readonly FieldCodec[],
  allowed: ReadonlySet<string> | undefined,
): Compiled['encode'] {
  return (data) => {
    if (allowed !== undefined)
      for (const key in data) if (!allowed.has(key)) throw new Misfit(`: unknown key ${key}`);
    const message = create(desc) as unknown as Data;
    for (const field of fields) {
      const value = (data as Data)[field.name];
      if (value === undefined) {
        if (!field.optional) throw new Misfit(' is missing', `.${field.name}`);
        continue;
      }
      message[field.name] = convert(field.encode, value, field.name);
    }
    return message as unknown as Message;
  };
}

function decodePlain(fields: readonly FieldCodec[]): Compiled['decode'] {
  return (message) => {
    const data: Data = {};
    for (const field of fields) {
      const value = (message as unknown as Data)[field.name];
      if (value === undefined) {
        if (!field.optional) throw new Misfit(' is missing', `.${field.name}`);
        continue;
      }
      data[field.name] = convert(field.decode, value, field.name);
    }
    return data;
  };
}

function convert(how: Convert | undefined, value: unknown, name: string): unknown {
  if (how === undefined) return value;
  try {
    return how(value as never);
  } catch (error) {
    throw within(`.${name}`, error);
  }
}

interface Both {
  readonly encode: Convert | undefined;
  readonly decode: Convert | undefined;
}

function fieldCodec(field: DescField): FieldCodec {
  const base = { name: field.localName, optional: field.proto.proto3Optional };
  const item = valueCodec(field.message ?? field.enum ?? field.scalar);
  switch (field.fieldKind) {
    case 'list':
      return { ...base, encode: overItems(item.encode), decode: overItems(item.decode) };
    case 'map':
      return { ...base, encode: overEntries(item.encode), decode: overEntries(item.decode) };
    default:
      return { ...base, ...item };
  }
}

function overItems(how: Convert | undefined): Convert | undefined {
  if (how === undefined) return undefined;
  return (list: readonly never[]) => {
    const converted: unknown[] = [];
    try {
      for (const value of list) converted.push(how(value));
    } catch (error) {
      throw within(`[${converted.length}]`, error);
    }
    return converted;
  };
}

function overEntries(how: Convert | undefined): Convert {
  return (map: Record<string, never>) =>
    Object.fromEntries(Object.entries(map).map(([key, value]) => [key, convert(how, value, key)]));
}

function valueCodec(type: DescMessage | DescEnum | number | undefined): Both {
  assert(type !== undefined, 'a field has a type');
  if (typeof type === 'number') return scalarCodec(type);
  if (type.kind === 'enum') return enumCodec(type);
  return compiledOf(type);
}

const WIDE = new Set([3, 4, 6, 16, 18]); // int64, uint64, fixed64, sfixed64, sint64: bigint in protobuf-es

function scalarCodec(type: number): Both {
  if (!WIDE.has(type)) return { encode: undefined, decode: undefined };
  return {
    encode: (value: number) => {
      if (!Number.isSafeInteger(value)) throw new Misfit(` must be a whole number, is ${value}`);
      return BigInt(value);
    },
    decode: (value: bigint) => {
      const number = Number(value);
      if (!Number.isSafeInteger(number)) throw new Misfit(` is too large: ${value}`);
      return number;
    },
  };
}

/** What domain data says for the values of an enum; the word of number 0 is never said. */
export function wordsOf(
  desc: DescEnum,
): readonly { readonly word: string; readonly number: number }[] {
  const prefix = desc.sharedPrefix ?? '';
  const word = (name: string): string => kebabCase(name.toLowerCase().slice(prefix.length));
  return desc.values.map(({ name, number }) => ({ word: word(name), number }));
}

function enumCodec(desc: DescEnum): Both {
  const words = wordsOf(desc);
  const toNumber = new Map(words.map(({ word, number }) => [word, number]));
  const toWord = new Map(
    words.filter(({ number }) => number !== 0).map(({ word, number }) => [number, word]),
  );
  return {
    encode: (value: string) => {
      const number = toNumber.get(value);
      if (number === undefined || number === 0) throw new Misfit(` cannot be ${value}`);
      return number;
    },
    decode: (value: number) => {
      const name = toWord.get(value);
      if (name === undefined) throw new Misfit(` has the unknown value ${value}`);
      return name;
    },
  };
}

function kebabCase(name: string): string {
  return name.replaceAll('_', '-');
}
