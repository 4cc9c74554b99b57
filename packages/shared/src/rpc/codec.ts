// The one place where domain data becomes protocol messages and back. Derived from the descriptors, so a
// field that exists on one side only is an error at once. Must never fill in what was not sent.
import {
  create,
  type DescEnum,
  type DescField,
  type DescMessage,
  type Message,
} from '@bufbuild/protobuf';
import { assert } from '../assert.js';
import { LeafwardError } from '../errors.js';

type Data = Record<string, unknown>;
type Convert = (value: never, path: string) => unknown;

/** Both directions of one message type. */
export interface Codec {
  /** @throws AssertionError when the data has an unknown key or lacks a required one: a bug here. */
  readonly toMessage: (data: object, path?: string) => Message;
  /** @throws LeafwardError `invalid` when the message lacks a required field: the peer's fault. */
  readonly toData: (message: Message, path?: string) => Data;
}

const codecs = new Map<string, Codec>();

/** The codec of a message type, compiled once. */
export function codecOf(desc: DescMessage): Codec {
  const known = codecs.get(desc.typeName);
  if (known !== undefined) return known;
  let compiled: Codec | undefined;
  const codec: Codec = {
    toMessage: (data, path = desc.name) => (compiled ??= compile(desc)).toMessage(data, path),
    toData: (message, path = desc.name) => (compiled ??= compile(desc)).toData(message, path),
  };
  codecs.set(desc.typeName, codec);
  return codec;
}

interface FieldCodec {
  readonly name: string;
  readonly optional: boolean;
  readonly absent: boolean;
  readonly encode: Convert;
  readonly decode: Convert;
}

function compile(desc: DescMessage): Codec {
  const union = desc.oneofs.find((oneof) => oneof.name === 'kind');
  const fields = desc.fields.filter((field) => field.oneof !== union || union === undefined);
  const plain = fields.map(fieldCodec);
  if (union === undefined)
    return { toMessage: encodePlain(desc, plain), toData: decodePlain(plain) };

  const variants = new Map(
    union.fields.map((field) => {
      assert(field.message !== undefined, `${desc.name}.${field.name} must be a message`);
      return [kebabCase(field.name), { field, desc: field.message }] as const;
    }),
  );
  const byLocalName = new Map(
    [...variants].map(([kind, v]) => [v.field.localName, { kind, ...v }]),
  );
  const encodeCommon = encodePlain(desc, plain, false);
  const decodeCommon = decodePlain(plain);
  return {
    toMessage(data, path = desc.name) {
      const { kind, ...rest } = data as Data;
      const variant = variants.get(String(kind));
      assert(variant !== undefined, `${path}: no kind ${String(kind)}`);
      const message = encodeCommon(rest, path) as unknown as Data;
      const inner = Object.fromEntries(
        variant.desc.fields.flatMap((f) =>
          f.localName in rest ? [[f.localName, rest[f.localName]]] : [],
        ),
      );
      const known = new Set(
        [...plain, ...variant.desc.fields.map((f) => ({ name: f.localName }))].map((f) => f.name),
      );
      for (const key of Object.keys(rest)) assert(known.has(key), `${path}: unknown key ${key}`);
      message['kind'] = {
        case: variant.field.localName,
        value: codecOf(variant.desc).toMessage(inner, `${path}.${String(kind)}`),
      };
      return message as unknown as Message;
    },
    toData(message, path = desc.name) {
      const { case: name, value } = (
        message as unknown as { kind: { case?: string; value?: Message } }
      ).kind;
      const variant = name === undefined ? undefined : byLocalName.get(name);
      if (variant === undefined || value === undefined) throw malformed(`${path} says no kind`);
      return {
        kind: variant.kind,
        ...decodeCommon(message, path),
        ...codecOf(variant.desc).toData(value, `${path}.${variant.kind}`),
      };
    },
  };
}

function encodePlain(desc: DescMessage, fields: readonly FieldCodec[], strict = true) {
  const names = new Set(fields.map((field) => field.name));
  return (data: object, path = desc.name): Message => {
    if (strict)
      for (const key of Object.keys(data)) assert(names.has(key), `${path}: unknown key ${key}`);
    const message = create(desc) as unknown as Data;
    for (const field of fields) {
      const value = (data as Data)[field.name];
      if (value === undefined) {
        assert(field.optional, `${path}.${field.name} is missing`);
        continue;
      }
      message[field.name] = field.encode(value as never, `${path}.${field.name}`);
    }
    return message as unknown as Message;
  };
}

function decodePlain(fields: readonly FieldCodec[]) {
  return (message: Message, path = message.$typeName): Data => {
    const data: Data = {};
    for (const field of fields) {
      const value = (message as unknown as Data)[field.name];
      if (value === undefined) {
        if (field.absent) throw malformed(`${path}.${field.name} is missing`);
        continue;
      }
      data[field.name] = field.decode(value as never, `${path}.${field.name}`);
    }
    return data;
  };
}

function fieldCodec(field: DescField): FieldCodec {
  const optional = field.proto.proto3Optional;
  const base = { name: field.localName, optional, absent: !optional };
  switch (field.fieldKind) {
    case 'list': {
      const item = valueCodec(field.message ?? field.enum ?? field.scalar);
      return {
        ...base,
        encode: (list: readonly never[], path) =>
          list.map((v, i) => item.encode(v, `${path}[${i}]`)),
        decode: (list: readonly never[], path) =>
          list.map((v, i) => item.decode(v, `${path}[${i}]`)),
      };
    }
    case 'map': {
      const item = valueCodec(field.message ?? field.enum ?? field.scalar);
      return { ...base, encode: overEntries(item.encode), decode: overEntries(item.decode) };
    }
    default:
      return { ...base, ...valueCodec(field.message ?? field.enum ?? field.scalar) };
  }
}

function overEntries(convert: Convert): Convert {
  return (map: Record<string, never>, path: string) =>
    Object.fromEntries(Object.entries(map).map(([key, v]) => [key, convert(v, `${path}.${key}`)]));
}

function valueCodec(type: DescMessage | DescEnum | number | undefined): {
  readonly encode: Convert;
  readonly decode: Convert;
} {
  assert(type !== undefined, 'a field has a type');
  if (typeof type === 'number') return scalarCodec(type);
  if (type.kind === 'enum') return enumCodec(type);
  const inner = codecOf(type);
  return { encode: inner.toMessage, decode: inner.toData };
}

const WIDE = new Set([3, 4, 6, 16, 18]); // int64, uint64, fixed64, sfixed64, sint64: bigint in protobuf-es

function scalarCodec(type: number): { readonly encode: Convert; readonly decode: Convert } {
  if (!WIDE.has(type)) return { encode: (v: unknown) => v, decode: (v: unknown) => v };
  return {
    encode: (value: number, path: string) => {
      assert(Number.isSafeInteger(value), `${path} must be a whole number, is ${value}`);
      return BigInt(value);
    },
    decode: (value: bigint, path: string) => {
      const number = Number(value);
      if (!Number.isSafeInteger(number)) throw malformed(`${path} is too large: ${value}`);
      return number;
    },
  };
}

function enumCodec(desc: DescEnum): { readonly encode: Convert; readonly decode: Convert } {
  const prefix = desc.sharedPrefix ?? '';
  const word = (name: string): string => kebabCase(name.toLowerCase().slice(prefix.length));
  const toNumber = new Map(desc.values.map((value) => [word(value.name), value.number]));
  const toWord = new Map(
    desc.values.filter((v) => v.number !== 0).map((v) => [v.number, word(v.name)]),
  );
  return {
    encode: (value: string, path: string) => {
      const number = toNumber.get(value);
      assert(number !== undefined && number !== 0, `${path} cannot be ${value}`);
      return number;
    },
    decode: (value: number, path: string) => {
      const name = toWord.get(value);
      if (name === undefined) throw malformed(`${path} has the unknown value ${value}`);
      return name;
    },
  };
}

function kebabCase(name: string): string {
  return name.replaceAll('_', '-');
}

function malformed(what: string): LeafwardError {
  return new LeafwardError('invalid', `a message cannot be understood: ${what}`, {
    retry: 'never',
  });
}
