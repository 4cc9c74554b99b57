// Lines that wait to be sent. When too many wait, new ones are counted instead of kept: who reads slowly gets what there
// is room for and the number of those that there was none for, and the agent's memory stays as it is.
import type { LogLine, LogsRequest } from '@leafward/shared/gen/domain.js';

export interface LineQueue {
  push(line: LogLine): void;
  /** What can be sent now, in order; undefined: nothing. */
  next(): LogsRequest | undefined;
  /** Resolves when there is something to send, or the signal fires. */
  ready(signal: AbortSignal): Promise<void>;
}

const MOST_LINES = 2_000;
const MOST_CHARS = 2 * 1024 * 1024;
/** In one message. */
const BATCH_LINES = 100;
const BATCH_CHARS = 128 * 1024;

export function createLineQueue(): LineQueue {
  let lines: LogLine[] = [];
  let chars = 0;
  const skipped = new Map<string, number>();
  let wake: () => void = () => undefined;
  const takeBatch = (): readonly LogLine[] => {
    const batch = batchOf(lines);
    lines = lines.slice(batch.length);
    chars -= batch.reduce((sum, line) => sum + sizeOf(line), 0);
    return batch;
  };
  return {
    push(line) {
      const size = sizeOf(line);
      // Once lines were left out, the number comes before any newer one: the order tells where the gap is.
      if (skipped.size > 0 || lines.length >= MOST_LINES || chars + size > MOST_CHARS) {
        skipped.set(line.member, (skipped.get(line.member) ?? 0) + 1);
      } else {
        lines.push(line);
        chars += size;
      }
      wake();
    },
    next() {
      if (lines.length > 0) return { kind: 'lines', lines: takeBatch() };
      for (const [member, count] of skipped) {
        skipped.delete(member);
        return { kind: 'skipped', member, lines: count };
      }
      return undefined;
    },
    ready: (signal) =>
      new Promise((resolve) => {
        if (lines.length > 0 || skipped.size > 0 || signal.aborted) return resolve();
        wake = () => {
          signal.removeEventListener('abort', wake);
          wake = () => undefined;
          resolve();
        };
        signal.addEventListener('abort', wake, { once: true });
      }),
  };
}

/** From that one on, as many as go into one message: at least one, if there is any. */
export function batchOf(lines: readonly LogLine[], from = 0): readonly LogLine[] {
  let size = 0;
  let to = from;
  for (; to < Math.min(lines.length, from + BATCH_LINES) && size < BATCH_CHARS; to += 1)
    size += sizeOf(lines[to]);
  return lines.slice(from, to);
}

const sizeOf = (line: LogLine | undefined): number =>
  line === undefined
    ? 0
    : line.message.length + (line.detail?.length ?? 0) + (line.record?.length ?? 0) + 64;
