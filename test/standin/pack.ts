// Msgpack as a cell writes it: smallest integers, keys in order, nil as a key. Written apart from the agent's
// codec on purpose, so that a mistake in one does not hide in the other.

export type Packable =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Packable[]
  | ReadonlyMap<Packable, Packable>
  | { readonly [key: string]: Packable };

export function pack(value: Packable): Buffer {
  const parts: Buffer[] = [];
  write(value, parts);
  return Buffer.concat(parts);
}

function write(value: Packable, parts: Buffer[]): void {
  if (value === null) parts.push(Buffer.of(0xc0));
  else if (typeof value === 'boolean') parts.push(Buffer.of(value ? 0xc3 : 0xc2));
  else if (typeof value === 'string') writeText(value, parts);
  else if (typeof value === 'number' || typeof value === 'bigint') writeNumber(value, parts);
  else if (value instanceof Uint8Array) {
    parts.push(long(value.length, [0xc4, 0xc5, 0xc6]), Buffer.from(value));
  } else if (Array.isArray(value)) {
    const list = value as readonly Packable[];
    parts.push(
      list.length < 16 ? Buffer.of(0x90 | list.length) : long(list.length, [0, 0xdc, 0xdd]),
    );
    for (const item of list) write(item, parts);
  } else {
    const entries = value instanceof Map ? [...value] : Object.entries(value);
    parts.push(
      entries.length < 16
        ? Buffer.of(0x80 | entries.length)
        : long(entries.length, [0, 0xde, 0xdf]),
    );
    for (const [key, item] of entries as [Packable, Packable][]) {
      write(key, parts);
      write(item, parts);
    }
  }
}

function writeText(text: string, parts: Buffer[]): void {
  const bytes = Buffer.from(text, 'utf8');
  const head =
    bytes.length < 32 ? Buffer.of(0xa0 | bytes.length) : long(bytes.length, [0xd9, 0xda, 0xdb]);
  parts.push(head, bytes);
}

/** Head with the shortest length field that `tags` (8, 16, 32 bit; 0 = has none) allow. */
function long(length: number, tags: readonly [number, number, number]): Buffer {
  if (tags[0] !== 0 && length < 0x100) return Buffer.of(tags[0], length);
  const wide = length > 0xffff;
  const head = Buffer.alloc(wide ? 5 : 3);
  head[0] = wide ? tags[2] : tags[1];
  if (wide) head.writeUInt32BE(length, 1);
  else head.writeUInt16BE(length, 1);
  return head;
}

function writeNumber(value: number | bigint, parts: Buffer[]): void {
  if (typeof value === 'number' && !Number.isInteger(value)) {
    const head = Buffer.alloc(9);
    head[0] = 0xcb;
    head.writeDoubleBE(value, 1);
    parts.push(head);
    return;
  }
  const integer = BigInt(value);
  if (integer >= 0n) parts.push(unsigned(integer));
  else parts.push(negative(integer));
}

function unsigned(value: bigint): Buffer {
  if (value < 0x80n) return Buffer.of(Number(value));
  if (value < 0x100n) return Buffer.of(0xcc, Number(value));
  if (value < 0x1_0000n) return Buffer.of(0xcd, Number(value >> 8n), Number(value & 0xffn));
  const head = Buffer.alloc(value < 0x1_0000_0000n ? 5 : 9);
  head[0] = head.length === 5 ? 0xce : 0xcf;
  if (head.length === 5) head.writeUInt32BE(Number(value), 1);
  else head.writeBigUInt64BE(value, 1);
  return head;
}

function negative(value: bigint): Buffer {
  if (value >= -32n) return Buffer.of(Number(value) & 0xff);
  const head = Buffer.alloc(
    value >= -0x80n ? 2 : value >= -0x8000n ? 3 : value >= -0x8000_0000n ? 5 : 9,
  );
  if (head.length === 2) head.writeInt8(Number(value), 1);
  else if (head.length === 3) head.writeInt16BE(Number(value), 1);
  else if (head.length === 5) head.writeInt32BE(Number(value), 1);
  else head.writeBigInt64BE(value, 1);
  head[0] = head.length === 2 ? 0xd0 : head.length === 3 ? 0xd1 : head.length === 5 ? 0xd2 : 0xd3;
  return head;
}
