// How a record lies in the file: `<crc32 of the JSON, 8 hex> <JSON>` and a newline. Pure. A torn tail is
// what a power cut leaves and is dropped; anything unreadable before the last line is not a torn tail.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { JournalRecord } from './records.js';

const crcTable = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});

/** CRC-32 as of ISO 3309; node:zlib has one only from 20.15 on. */
export function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

export function encodeRecord(record: JournalRecord): Buffer {
  const json = Buffer.from(JSON.stringify(record));
  const sum = crc32(json).toString(16).padStart(8, '0');
  return Buffer.concat([Buffer.from(`${sum} `), json, Buffer.from('\n')]);
}

export interface Decoded {
  readonly records: readonly JournalRecord[];
  /** Length of the part that is whole, bytes; what follows is a torn tail. */
  readonly wholeBytes: number;
}

/** @throws LeafwardError `failed` when something before the last line cannot be read. */
export function decodeRecords(bytes: Buffer, path: string): Decoded {
  const records: JournalRecord[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const end = bytes.indexOf(10, offset);
    const record = end < 0 ? undefined : decodeLine(bytes.subarray(offset, end));
    if (record === undefined) {
      if (end < 0 || !hasReadableLine(bytes.subarray(end + 1))) break;
      throw unreadable(path, offset);
    }
    records.push(record);
    offset = end + 1;
  }
  return { records, wholeBytes: offset };
}

function decodeLine(line: Buffer): JournalRecord | undefined {
  const json = line.subarray(9);
  if (line.length < 11 || line.subarray(0, 8).toString('latin1') !== sumOf(json)) return undefined;
  return JSON.parse(json.toString('utf8')) as JournalRecord;
}

function sumOf(json: Buffer): string {
  return crc32(json).toString(16).padStart(8, '0');
}

function hasReadableLine(rest: Buffer): boolean {
  for (let offset = 0; ;) {
    const end = rest.indexOf(10, offset);
    if (end < 0) return false;
    if (decodeLine(rest.subarray(offset, end)) !== undefined) return true;
    offset = end + 1;
  }
}

function unreadable(path: string, offset: number): LeafwardError {
  return new LeafwardError(
    'failed',
    `read the journal ${path}: the record at byte ${offset} is damaged and there are good ones after ` +
      'it, so the disk or somebody changed it; the agent does not act on half a memory. Check the ' +
      'disk, restore the file from a backup, or move it away to begin anew: retirements are then ' +
      'known from the storages and from the controller alone',
  );
}
