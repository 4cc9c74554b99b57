// Lines out of pieces of a stream that are cut anywhere. Holds the last open line, up to its most; the rest of a longer
// one is thrown away.
import { MOST_LINE_BYTES } from './member-output.js';

export interface LineSplitter {
  /** The lines that this piece ended. */
  take(piece: Buffer): readonly string[];
  /** The open one, if there is any; it is forgotten. */
  rest(): string | undefined;
}

export function splitLines(): LineSplitter {
  let parts: Buffer[] = [];
  let bytes = 0;
  const add = (part: Buffer): void => {
    const room = MOST_LINE_BYTES - bytes;
    // A copy: a slice would hold the whole piece.
    if (room > 0 && part.length > 0) parts.push(Buffer.from(part.subarray(0, room)));
    bytes += part.length;
  };
  const finish = (): string => {
    const line = Buffer.concat(parts).toString('utf8').replace(/\r$/, '');
    parts = [];
    bytes = 0;
    return line;
  };
  return {
    take: (piece) => {
      const lines: string[] = [];
      let from = 0;
      for (let at = piece.indexOf(10); at !== -1; at = piece.indexOf(10, from)) {
        add(piece.subarray(from, at));
        lines.push(finish());
        from = at + 1;
      }
      add(piece.subarray(from));
      return lines;
    },
    rest: () => (bytes === 0 ? undefined : finish()),
  };
}
