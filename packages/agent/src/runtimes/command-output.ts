// What a command printed, bounded whatever comes: the beginning is kept, the rest is thrown away. Lines are told as
// they come, also those that are not kept.
import type { CommandResult } from './runtime.js';

/** A longer line is cut before it is told: it is a word of progress, for people. */
const MAX_LINE_BYTES = 8 * 1024;
/** Kept free for standard error, so that a talkative program cannot drown its own complaint. */
const STDERR_SHARE_BYTES = 4 * 1024;

export interface CommandOutput {
  stdout(chunk: Buffer): void;
  stderr(chunk: Buffer): void;
  /** What was kept. Tells the last line if it has no end. */
  end(): Pick<CommandResult, 'stdout' | 'stderr' | 'truncated'>;
}

export function collectOutput(options: {
  readonly maxOutputBytes: number;
  readonly onLine?: ((line: string) => void) | undefined;
}): CommandOutput {
  const { maxOutputBytes, onLine } = options;
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  let outBytes = 0;
  let errBytes = 0;
  let truncated = false;
  const reserve = Math.min(STDERR_SHARE_BYTES, Math.floor(maxOutputBytes / 4));
  const lines = onLine === undefined ? undefined : tellLines(onLine);

  const keep = (kept: Buffer[], chunk: Buffer, room: number): number => {
    if (chunk.length > room) truncated = true;
    const part = chunk.subarray(0, Math.max(0, room));
    // A copy: a slice would hold the whole buffer that it was cut from.
    if (part.length > 0) kept.push(Buffer.from(part));
    return part.length;
  };
  return {
    stdout: (chunk) => {
      outBytes += keep(out, chunk, maxOutputBytes - Math.max(errBytes, reserve) - outBytes);
      lines?.take(chunk);
    },
    stderr: (chunk) => {
      errBytes += keep(err, chunk, maxOutputBytes - outBytes - errBytes);
    },
    end: () => {
      lines?.end();
      return { stdout: textOf(out), stderr: textOf(err), truncated };
    },
  };
}

function textOf(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8');
}

/** A carriage return ends a line, too: that is how programs show progress on a terminal. */
function tellLines(onLine: (line: string) => void): {
  readonly take: (chunk: Buffer) => void;
  readonly end: () => void;
} {
  let open: Buffer[] = [];
  let openBytes = 0;
  const add = (part: Buffer): void => {
    const room = MAX_LINE_BYTES - openBytes;
    if (room > 0 && part.length > 0) open.push(Buffer.from(part.subarray(0, room)));
    openBytes += part.length;
  };
  const finish = (): void => {
    const line = textOf(open);
    open = [];
    openBytes = 0;
    if (line !== '') onLine(line);
  };
  return {
    take: (chunk) => {
      let from = 0;
      for (let at = 0; at < chunk.length; at += 1) {
        if (chunk[at] !== 10 && chunk[at] !== 13) continue;
        add(chunk.subarray(from, at));
        finish();
        from = at + 1;
      }
      add(chunk.subarray(from));
    },
    end: finish,
  };
}
