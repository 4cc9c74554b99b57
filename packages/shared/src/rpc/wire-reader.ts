// Reads protobuf's wire format from one buffer. Takes what a writer of ours would write and gives up on all else
// (NotPlain): who reads with it must have another way to read the same bytes.

/** Thrown, without a stack, for everything that is not plain; malformed bytes among it. */
export class NotPlain extends Error {
  static readonly it = new NotPlain('not plain');
}

/** Texts up to this are looked for among those read before: most of what hosts say is said again and again. */
const INTERNED_BYTES = 48;
const INTERNED = 1 << 13;
const MASK = INTERNED - 1;
const REPLACEMENT = '\ufffd';
const TWO_32 = 2 ** 32;

export class WireReader {
  at = 0;
  readonly #view: DataView;
  readonly #interned: string[] | undefined;

  /** `interned`: see newInterned; undefined: every text is made anew. */
  constructor(
    readonly bytes: Buffer,
    interned: string[] | undefined,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#interned = interned;
  }

  /** Tags and lengths: at most 31 bits. */
  small(end: number): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte(end);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw NotPlain.it;
  }

  /** A varint of up to 64 bits as a number that is exact. */
  whole(end: number, isSigned: boolean): number {
    let byte = this.byte(end);
    if (byte < 0x80) return byte;
    let low = byte & 0x7f;
    let high = 0;
    for (let shift = 7; shift < 70; shift += 7) {
      byte = this.byte(end);
      const bits = byte & 0x7f;
      if (shift === 63 && byte > 1) throw NotPlain.it;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) return exact(low, high, isSigned);
    }
    throw NotPlain.it;
  }

  double(end: number): number {
    const from = this.#take(8, end);
    return this.#view.getFloat64(from, true);
  }

  /** A part of the message's own bytes, not a copy. */
  data(end: number): Uint8Array {
    const length = this.small(end);
    const from = this.#take(length, end);
    return this.bytes.subarray(from, from + length);
  }

  text(end: number): string {
    const length = this.small(end);
    if (length === 0) return '';
    const from = this.#take(length, end);
    const interned = this.#interned;
    if (interned === undefined || length > INTERNED_BYTES) return this.#fresh(from, length);
    let hash = length;
    for (let i = from; i < from + length; i += 1)
      hash = (Math.imul(hash, 31) + (this.bytes[i] as number)) | 0;
    const slot = (hash ^ (hash >>> 13)) & MASK;
    const known = interned[slot] as string;
    if (this.#isAt(known, from, length)) return known;
    const fresh = this.#fresh(from, length);
    interned[slot] = fresh;
    return fresh;
  }

  /** Where a part of that many bytes ends. */
  part(end: number): number {
    const length = this.small(end);
    if (length > end - this.at) throw NotPlain.it;
    return this.at + length;
  }

  byte(end: number): number {
    if (this.at >= end) throw NotPlain.it;
    return this.bytes[this.at++] as number;
  }

  #take(length: number, end: number): number {
    const from = this.at;
    if (length > end - from) throw NotPlain.it;
    this.at = from + length;
    return from;
  }

  /** Only texts of ASCII match: of others the lengths differ or a byte is beyond it. */
  #isAt(text: string, from: number, length: number): boolean {
    if (text.length !== length) return false;
    for (let i = 0; i < length; i += 1) {
      const byte = this.bytes[from + i] as number;
      if (byte >= 0x80 || text.charCodeAt(i) !== byte) return false;
    }
    return true;
  }

  #fresh(from: number, length: number): string {
    const text = this.bytes.toString('utf8', from, from + length);
    // Malformed, or that character itself: a strict reader must decide.
    if (text.includes(REPLACEMENT)) throw NotPlain.it;
    return text;
  }
}

/** A table of texts, each of them once. Only for messages that hold no secrets: what is in it stays. */
export function newInterned(): string[] {
  return new Array<string>(INTERNED).fill('');
}

function exact(low: number, high: number, isSigned: boolean): number {
  const value = (isSigned ? high | 0 : high >>> 0) * TWO_32 + (low >>> 0);
  if (!Number.isSafeInteger(value)) throw NotPlain.it;
  return value;
}
