// Lines out of a container's log stream, stdout and stderr together. Bounded: keeps the newest lines and cuts long ones.
import type { IncomingMessage } from 'node:http';
import { LeafwardError } from '@leafward/shared/errors.js';
import { orUndefined } from './containers.js';
import type { EngineDeadlines } from './deadlines.js';
import type { EngineClient } from './engine-client.js';
import { readFrames } from './stream-frames.js';

/** A line longer than this is cut: it is for people. */
const MAX_LINE_BYTES = 8 * 1024;

export interface LogLines {
  take(chunk: Buffer): void;
  /** Oldest first. */
  lines(): readonly string[];
}

interface Channel {
  bytes: Buffer[];
  size: number;
}

export function collectLogLines(maxLines: number): LogLines {
  const kept: string[] = [];
  const channels = new Map<number, Channel>();
  const finish = (of: Channel): void => {
    kept.push(Buffer.concat(of.bytes).toString('utf8').replace(/\r$/, ''));
    if (kept.length > maxLines) kept.shift();
    of.bytes = [];
    of.size = 0;
  };
  const add = (of: Channel, bytes: Buffer): void => {
    const room = MAX_LINE_BYTES - of.size;
    if (room > 0) of.bytes.push(bytes.subarray(0, room));
    of.size += bytes.length;
  };
  const takePayload = (stream: number, payload: Buffer): void => {
    const channel = channels.get(stream) ?? { bytes: [], size: 0 };
    channels.set(stream, channel);
    let from = 0;
    for (let at = payload.indexOf(10); at !== -1; at = payload.indexOf(10, from)) {
      add(channel, payload.subarray(from, at));
      finish(channel);
      from = at + 1;
    }
    if (from < payload.length) add(channel, payload.subarray(from));
  };
  return {
    take: readFrames(takePayload),
    lines: () => {
      for (const open of channels.values()) if (open.size > 0) finish(open);
      return kept;
    },
  };
}

export interface Tail {
  /** Name or id of the container. */
  readonly container: string;
  readonly sinceMs: number;
  readonly maxLines: number;
  readonly signal: AbortSignal;
}

/** The newest lines of a member's container; none when there is no container. @throws LeafwardError */
export async function tailOf(
  client: EngineClient,
  deadlines: EngineDeadlines,
  { container: name, sinceMs, maxLines, signal }: Tail,
): Promise<readonly string[]> {
  const doing = `read the log of container ${name}`;
  const stream = await orUndefined(
    client.open({
      doing,
      method: 'GET',
      path: `/containers/${encodeURIComponent(name)}/logs`,
      query: { stdout: true, stderr: true, since: (sinceMs / 1000).toFixed(3), tail: maxLines },
      deadlineMs: deadlines.inspectMs,
      signal,
    }),
  );
  return stream === undefined ? [] : readLines(stream, { doing, maxLines, deadlines, signal });
}

interface Reading {
  readonly doing: string;
  readonly maxLines: number;
  readonly deadlines: EngineDeadlines;
  readonly signal: AbortSignal;
}

function readLines(
  stream: IncomingMessage,
  { doing, maxLines, deadlines, signal }: Reading,
): Promise<readonly string[]> {
  const collected = collectLogLines(maxLines);
  return new Promise((resolve, reject) => {
    const fail = (code: 'timeout' | 'aborted' | 'unavailable', why: string): void => {
      clearTimeout(timer);
      reject(new LeafwardError(code, `${doing}: ${why}`, { retry: 'later' }));
      stream.destroy();
    };
    const timer = setTimeout(
      () => fail('timeout', `not at its end after ${deadlines.listMs / 1000} s`),
      deadlines.listMs,
    );
    const broken = (): void =>
      signal.aborted ? fail('aborted', 'aborted') : fail('unavailable', 'the Engine hung up');
    stream.on('data', (chunk: Buffer) => collected.take(chunk));
    stream.on('end', () => {
      clearTimeout(timer);
      resolve(collected.lines());
    });
    stream.on('error', broken);
    stream.on('close', broken);
  });
}
