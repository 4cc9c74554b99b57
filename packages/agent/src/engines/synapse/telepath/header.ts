// The first bytes of one msgpack value: what it is and how long. Knows the format's table, nothing else.

export type Kind =
  'nil' | 'boolean' | 'integer' | 'float' | 'string' | 'bytes' | 'list' | 'map' | 'extension';

/** One value's head. A list or a map has `children` values after it, any other kind `payloadBytes` bytes. */
export interface Header {
  readonly kind: Kind;
  readonly headBytes: number;
  readonly payloadBytes: number;
  readonly children: number;
  /** Of nil, boolean, integer and float; else undefined. */
  readonly scalar?: null | boolean | number | bigint | undefined;
  /** Type of an extension. */
  readonly extension?: number | undefined;
}

/** A byte that msgpack does not define, or a message that breaks a limit. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}

/** The head of the value at `at`, or undefined when the bytes end within it. Throws MalformedMessage. */
export function readHeader(view: DataView, at: number, end: number): Header | undefined {
  if (at >= end) return undefined;
  const tag = view.getUint8(at);
  if (tag <= 0x7f) return scalar('integer', 1, tag);
  if (tag >= 0xe0) return scalar('integer', 1, tag - 256);
  if (tag <= 0x8f) return container('map', 1, (tag & 0x0f) * 2);
  if (tag <= 0x9f) return container('list', 1, tag & 0x0f);
  if (tag <= 0xbf) return payload('string', 1, tag & 0x1f);
  if (tag === 0xc0) return scalar('nil', 1, null);
  if (tag === 0xc2 || tag === 0xc3) return scalar('boolean', 1, tag === 0xc3);
  const fixed = HEAD_BYTES[tag];
  if (fixed === undefined) throw new MalformedMessage(`byte 0x${tag.toString(16)} starts no value`);
  if (at + fixed > end) return undefined;
  return readLongHeader(view, at, tag, fixed);
}

/** Length of the head of each tag above 0xc3, by the msgpack specification. */
const HEAD_BYTES: Readonly<Record<number, number>> = {
  ...{ 0xc4: 2, 0xc5: 3, 0xc6: 5, 0xc7: 3, 0xc8: 4, 0xc9: 6, 0xca: 5, 0xcb: 9 },
  ...{ 0xcc: 2, 0xcd: 3, 0xce: 5, 0xcf: 9, 0xd0: 2, 0xd1: 3, 0xd2: 5, 0xd3: 9 },
  ...{ 0xd4: 2, 0xd5: 2, 0xd6: 2, 0xd7: 2, 0xd8: 2, 0xd9: 2, 0xda: 3, 0xdb: 5 },
  ...{ 0xdc: 3, 0xdd: 5, 0xde: 3, 0xdf: 5 },
};

function readLongHeader(view: DataView, at: number, tag: number, head: number): Header {
  if (tag <= 0xc6) return payload('bytes', head, unsigned(view, at + 1, head - 1));
  if (tag <= 0xc9) {
    const length = unsigned(view, at + 1, head - 2);
    return { ...payload('extension', head, length), extension: view.getInt8(at + head - 1) };
  }
  if (tag === 0xca) return scalar('float', head, view.getFloat32(at + 1));
  if (tag === 0xcb) return scalar('float', head, view.getFloat64(at + 1));
  if (tag <= 0xd3) return scalar('integer', head, integer(view, at + 1, tag));
  if (tag <= 0xd8) {
    return { ...payload('extension', head, 1 << (tag - 0xd4)), extension: view.getInt8(at + 1) };
  }
  if (tag <= 0xdb) return payload('string', head, unsigned(view, at + 1, head - 1));
  const count = unsigned(view, at + 1, head - 1);
  return tag <= 0xdd ? container('list', head, count) : container('map', head, count * 2);
}

function unsigned(view: DataView, at: number, bytes: number): number {
  if (bytes === 1) return view.getUint8(at);
  return bytes === 2 ? view.getUint16(at) : view.getUint32(at);
}

function integer(view: DataView, at: number, tag: number): number | bigint {
  switch (tag) {
    case 0xcc:
      return view.getUint8(at);
    case 0xcd:
      return view.getUint16(at);
    case 0xce:
      return view.getUint32(at);
    case 0xcf:
      return safe(view.getBigUint64(at));
    case 0xd0:
      return view.getInt8(at);
    case 0xd1:
      return view.getInt16(at);
    case 0xd2:
      return view.getInt32(at);
    default:
      return safe(view.getBigInt64(at));
  }
}

function safe(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function scalar(kind: Kind, headBytes: number, value: null | boolean | number | bigint): Header {
  return { kind, headBytes, payloadBytes: 0, children: 0, scalar: value };
}

function payload(kind: Kind, headBytes: number, payloadBytes: number): Header {
  return { kind, headBytes, payloadBytes, children: 0 };
}

function container(kind: Kind, headBytes: number, children: number): Header {
  return { kind, headBytes, payloadBytes: 0, children };
}
