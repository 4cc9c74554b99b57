// Writes protobuf's wire format into one buffer that grows and is used again. Not for two messages at once.

const FIRST_BYTES = 16_384;
/** A buffer that one large message made larger than this is let go. */
const KEPT_BYTES = 1 << 20;
/** A text up to this is looked at by hand: a call into the runtime costs more. */
const SHORT_CHARS = 40;
const TWO_32 = 2 ** 32;

export class WireWriter {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #at = 0;

  begin(): void {
    this.#at = 0;
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  }

  /** A copy of what was written since `begin`. */
  written(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#at));
  }

  /** Tags, lengths, booleans, enums: a whole number below 2^31 that is not negative. */
  small(value: number): void {
    this.#room(5);
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#at++] = rest;
  }

  /** Any safe integer, as int64, uint64, int32 and uint32 are written. */
  whole(value: number): void {
    if (value >= 0 && value < 2 ** 31) return this.small(value);
    this.#room(10);
    let high = Math.floor(value / TWO_32);
    let low = value - high * TWO_32;
    high >>>= 0;
    while (high > 0 || low > 0x7f) {
      this.#bytes[this.#at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | ((high & 0x7f) << 25)) >>> 0;
      high >>>= 7;
    }
    this.#bytes[this.#at++] = low;
  }

  double(value: number): void {
    this.#room(8);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  data(value: Uint8Array): void {
    this.small(value.length);
    this.#room(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  text(value: string): void {
    const { length } = value;
    this.#room(length * 3 + 5);
    if (length <= SHORT_CHARS && this.#ascii(value)) return;
    const from = this.open();
    this.#at += this.#bytes.write(value, this.#at, 'utf8');
    this.close(from);
  }

  /** Leaves room for a length; what is written until `close` has it. */
  open(): number {
    this.#room(1);
    return this.#at++;
  }

  close(from: number): void {
    const length = this.#at - from - 1;
    if (length < 0x80) {
      this.#bytes[from] = length;
      return;
    }
    const more = length < 2 ** 14 ? 1 : length < 2 ** 21 ? 2 : length < 2 ** 28 ? 3 : 4;
    this.#room(more);
    this.#bytes.copyWithin(from + 1 + more, from + 1, this.#at);
    const end = this.#at + more;
    this.#at = from;
    this.small(length);
    this.#at = end;
  }

  /** False, with nothing written, when it is not all ASCII. */
  #ascii(value: string): boolean {
    const { length } = value;
    const bytes = this.#bytes;
    let at = this.#at;
    bytes[at++] = length;
    for (let i = 0; i < length; i += 1) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) return false;
      bytes[at++] = code;
    }
    this.#at = at;
    return true;
  }

  #room(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}
