// Msgpack bytes to values, losing nothing. Not @msgpack/msgpack's decoder: that one turns lone surrogates in
// long strings into U+FFFD, refuses nil and `__proto__` as keys, and cannot tell where a value's bytes end.
import { MalformedMessage, readHeader, type Header } from './header.js';
import type { Value, ValueMap } from './value.js';

/** Nesting beyond this is an attack on the stack, not a message; real ones stay under twenty. */
const MAX_DEPTH = 256;

interface Cursor {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
}

/** One value that fills `bytes` exactly. Throws MalformedMessage. */
export function decode(bytes: Uint8Array): Value {
  const cursor = cursorOver(bytes);
  const value = decodeNext(cursor, 0);
  if (cursor.at !== bytes.length) throw new MalformedMessage('bytes follow the value');
  return value;
}

/**
 * The bytes of the value that `path` leads to: an index steps into a list, a key into a map. Undefined when
 * there is no such value. For digests: equal values can have different bytes, a digest must see these.
 */
export function bytesAt(
  bytes: Uint8Array,
  path: readonly (number | string)[],
): Uint8Array | undefined {
  const cursor = cursorOver(bytes);
  for (const step of path) if (!stepInto(cursor, step)) return undefined;
  const start = cursor.at;
  decodeNext(cursor, 0);
  return bytes.subarray(start, cursor.at);
}

function stepInto(cursor: Cursor, step: number | string): boolean {
  const header = nextHeader(cursor);
  if (header.kind === 'list') {
    if (typeof step !== 'number' || step >= header.children) return false;
    for (let index = 0; index < step; index++) decodeNext(cursor, 0);
    return true;
  }
  if (header.kind !== 'map') return false;
  for (let entry = 0; entry < header.children; entry += 2) {
    if (decodeNext(cursor, 0) === step) return true;
    decodeNext(cursor, 0);
  }
  return false;
}

function cursorOver(bytes: Uint8Array): Cursor {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), at: 0 };
}

function nextHeader(cursor: Cursor): Header {
  const header = readHeader(cursor.view, cursor.at, cursor.bytes.length);
  if (header === undefined) throw new MalformedMessage('the value is cut short');
  cursor.at += header.headBytes;
  if (header.children > cursor.bytes.length - cursor.at) {
    throw new MalformedMessage('a list or map claims more values than there are bytes');
  }
  return header;
}

function decodeNext(cursor: Cursor, depth: number): Value {
  if (depth > MAX_DEPTH) throw new MalformedMessage(`nested deeper than ${MAX_DEPTH}`);
  const header = nextHeader(cursor);
  if (header.scalar !== undefined) return header.scalar;
  if (header.kind === 'list') {
    const list: Value[] = [];
    for (let left = header.children; left > 0; left--) list.push(decodeNext(cursor, depth + 1));
    return list;
  }
  if (header.kind === 'map') return decodeMap(cursor, header.children / 2, depth + 1);
  const end = cursor.at + header.payloadBytes;
  if (end > cursor.bytes.length) throw new MalformedMessage('the value is cut short');
  const start = cursor.at;
  cursor.at = end;
  if (header.kind === 'string') return decodeText(cursor.bytes, start, end);
  const data = new Uint8Array(cursor.bytes.subarray(start, end));
  return header.extension === undefined ? data : { extension: header.extension, data };
}

function decodeMap(cursor: Cursor, count: number, depth: number): Value {
  const entries: [Value, Value][] = [];
  let plain = true;
  for (let left = count; left > 0; left--) {
    const key = decodeNext(cursor, depth);
    plain &&= typeof key === 'string';
    entries.push([key, decodeNext(cursor, depth)]);
  }
  if (!plain) return new Map(entries);
  const map = Object.create(null) as Record<string, Value>;
  for (const [key, value] of entries) map[key as string] = value;
  return map satisfies ValueMap;
}

/** Utf-8 in which a surrogate may stand alone as three bytes, as Python's `surrogatepass` writes it. */
function decodeText(bytes: Uint8Array, start: number, end: number): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
  const parts: string[] = [];
  let from = 0;
  for (let at = text.indexOf(0xed); at !== -1; at = text.indexOf(0xed, at + 1)) {
    const second = text[at + 1] ?? 0;
    if (second < 0xa0 || second > 0xbf) continue;
    const unit = 0xd000 | ((second & 0x3f) << 6) | ((text[at + 2] ?? 0) & 0x3f);
    parts.push(text.toString('utf8', from, at), String.fromCharCode(unit));
    from = at + 3;
  }
  parts.push(text.toString('utf8', from));
  return parts.length === 1 ? (parts[0] as string) : parts.join('');
}
