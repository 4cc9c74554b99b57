// A container's log as the Engine keeps it, with the Engine's own times. The Engine reads it from behind, so that a
// large one costs no more than a small one; a container that is replaced is followed into its next one.
import type { IncomingMessage } from 'node:http';
import type { Clock } from '@leafward/shared/clock.js';
import { isAbort, LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { splitLines, type LineSplitter } from '../../logs/line-splitter.js';
import type { MemberOutput, OutputLine, PastWanted } from '../../logs/member-output.js';
import { newestLines } from '../../logs/newest-lines.js';
import { orUndefined } from './containers.js';
import { engineDeadlines } from './deadlines.js';
import type { EngineClient } from './engine-client.js';
import { readFrames } from './stream-frames.js';

export interface DockerOutputOptions {
  readonly client: EngineClient;
  readonly clock: Clock;
  /** Its container now; undefined: there is none. */
  readonly container: (signal: AbortSignal) => Promise<string | undefined>;
}

/** Looked through when only some of them are wanted. */
const MOST_TAIL = 20_000;
/** Between the past and what comes not more than this is written. */
const OVERLAP_LINES = 2_000;
/** Until a stopped or replaced member is looked for again. */
const LOOK_EVERY_MS = 1_000;
const PAST_MS = 30_000;

export function dockerOutput({ client, clock, container }: DockerOutputOptions): MemberOutput {
  /** Of the newest line, as `momentOf`. */
  let newest: string | undefined;
  const openLog = async (
    id: string,
    query: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<IncomingMessage | undefined> =>
    orUndefined(
      client.open({
        doing: `read the log of container ${id}`,
        method: 'GET',
        path: `/containers/${encodeURIComponent(id)}/logs`,
        query: { stdout: true, stderr: true, timestamps: true, ...query },
        deadlineMs: engineDeadlines.listMs,
        signal,
      }),
    );
  return {
    past: async (wanted, signal) => {
      const id = await container(signal);
      if (id === undefined) return { lines: [], isCut: false };
      const limit = AbortSignal.any([signal, AbortSignal.timeout(PAST_MS)]);
      const tail = wanted.sinceMs === undefined ? tailFor(wanted) : MOST_TAIL;
      const since = wanted.sinceMs === undefined ? {} : { since: wanted.sinceMs / 1000 };
      const stream = await openLog(id, { tail, ...since }, limit);
      const newestOnes = newestLines(wanted.maxLines);
      let seen = 0;
      await readAll(stream, limit, (line, moment) => {
        seen += 1;
        newest = moment;
        if (wanted.keep(line)) newestOnes.push(line);
      });
      const lines = newestOnes.lines();
      const hasEnded = seen >= MOST_TAIL && lines.length < wanted.maxLines;
      return { lines, isCut: hasEnded || newestOnes.isCut() || limit.aborted };
    },
    follow: async (onLine, signal) => {
      newest ??= momentOf(new Date(clock.now()).toISOString());
      while (!signal.aborted) {
        const id = await container(signal).catch(() => undefined);
        // The Engine tells the line of that moment as well.
        const since = newest;
        const query = { follow: true, tail: OVERLAP_LINES, since };
        const stream = id === undefined ? undefined : await openLog(id, query, signal);
        await readAll(stream, signal, (line, moment) => {
          if (moment <= since) return;
          newest = moment;
          onLine(line);
        });
        await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
      }
    },
  };
}

const tailFor = ({ maxLines, isFiltered }: PastWanted): number =>
  isFiltered ? MOST_TAIL : maxLines;

/** Seconds with nine digits behind the point: what the Engine takes for `since`, and texts that compare as times. */
function momentOf(stamp: string): string {
  const fraction = /\.(\d{1,9})/.exec(stamp)?.[1] ?? '0';
  return `${Math.floor(Date.parse(stamp) / 1000)}.${fraction.padEnd(9, '0')}`;
}

/** Tells each line with its moment, until it ends or the signal fires. @throws LeafwardError `unavailable` when the Engine hangs up in its middle. */
function readAll(
  stream: IncomingMessage | undefined,
  signal: AbortSignal,
  onLine: (line: OutputLine, moment: string) => void,
): Promise<void> {
  if (stream === undefined) return Promise.resolve();
  const splitters = new Map<number, LineSplitter>();
  const tell = (text: string): void => {
    const space = text.indexOf(' ');
    const stamp = text.slice(0, space);
    const at = Date.parse(stamp);
    if (space > 0 && !Number.isNaN(at))
      onLine({ text: text.slice(space + 1), at }, momentOf(stamp));
  };
  const take = readFrames((channel, part) => {
    const splitter = splitters.get(channel) ?? splitLines();
    splitters.set(channel, splitter);
    for (const text of splitter.take(part)) tell(text);
  });
  return new Promise((resolve, reject) => {
    const onAbort = (): void => void stream.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    stream.on('data', (chunk: Buffer) => take(chunk));
    stream.on('error', (error) => {
      if (signal.aborted || isAbort(error)) return resolve();
      const text = `read a container's log: the Engine hung up: ${messageOf(error)}`;
      reject(new LeafwardError('unavailable', text, { retry: 'later', cause: error }));
    });
    stream.on('close', () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
  });
}
