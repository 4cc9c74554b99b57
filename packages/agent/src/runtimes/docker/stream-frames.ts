// The frames in which an Engine sends stdout and stderr over one stream: 8 bytes of header (which stream, how long)
// and a payload. Keeps nothing but an open header.

const HEADER_BYTES = 8;

/** Takes chunks cut anywhere. `onPayload`: 1 stdout, 2 stderr; a payload may come in several parts. */
export function readFrames(
  onPayload: (stream: number, part: Buffer) => void,
): (chunk: Buffer) => void {
  let header = Buffer.alloc(0);
  let stream = 0;
  let left = 0;
  const takeHeader = (chunk: Buffer): Buffer => {
    const missing = HEADER_BYTES - header.length;
    header = Buffer.concat([header, chunk.subarray(0, missing)]);
    if (header.length === HEADER_BYTES) {
      stream = header.readUInt8(0);
      left = header.readUInt32BE(4);
      header = Buffer.alloc(0);
    }
    return chunk.subarray(missing);
  };
  return (chunk) => {
    let rest = chunk;
    while (rest.length > 0) {
      if (left === 0) {
        rest = takeHeader(rest);
        continue;
      }
      const part = rest.subarray(0, left);
      onPayload(stream, part);
      left -= part.length;
      rest = rest.subarray(part.length);
    }
  };
}
