// Answers wishes for lines: the past of each member in one order, then what comes, until nobody wants it. Reads what
// members print and changes nothing; no value of a secret leaves in a line (I14).
import type { Clock } from '@leafward/shared/clock.js';
import { messageOf } from '@leafward/shared/errors.js';
import type { LogLine, LogsWish } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { batchOf, createLineQueue, type LineQueue } from './line-queue.js';
import type { LogsStream, OpenLogsStream } from './log-line.js';
import type { MemberOutput, OutputLine } from './member-output.js';
import { continues, isAtLeast, parseLine, type ParsedLine } from './parse-line.js';

export interface LogsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly open: OpenLogsStream;
  /** Undefined: this host has no such member. */
  readonly outputOf: (member: string) => MemberOutput | undefined;
  readonly redact: (text: string) => string;
}

export interface Logs {
  /** Begins to answer; what cannot be read is told on the stream. Never throws. */
  wish(wish: LogsWish): void;
  stop(): Promise<void>;
}

/** More operators than that do not look at one host at once. */
const MOST_WISHES = 8;
const MOST_LINES = 10_000;
const MOST_MEMBERS = 64;
/** What one wish may take of the host's line to the controller. */
const BYTES_PER_SECOND = 1024 * 1024;

export function createLogs(options: LogsOptions): Logs {
  const open = new Map<string, { readonly stream: LogsStream; readonly done: Promise<void> }>();
  return {
    wish(wish) {
      if (open.has(wish.id)) return;
      const stream = options.open();
      const work = open.size < MOST_WISHES ? answer(options, wish, stream) : refuse(wish, stream);
      const done = work
        .catch((error: unknown) => {
          if (!stream.ended.aborted) options.log.warn(`send lines of logs: ${messageOf(error)}`);
          stream.close();
        })
        .finally(() => open.delete(wish.id));
      open.set(wish.id, { stream, done });
    },
    async stop() {
      const all = [...open.values()];
      for (const { stream } of all) stream.close();
      await Promise.all(all.map(({ done }) => done));
    },
  };
}

async function refuse({ id }: LogsWish, stream: LogsStream): Promise<void> {
  await stream.send({ kind: 'join', id });
  const text = `${MOST_WISHES} operators follow logs of this host already; end one of them`;
  await stream.send({ kind: 'note', subject: 'this host', text, again: [] });
  stream.finish();
}

interface Reader {
  readonly member: string;
  readonly output: MemberOutput;
  /** A new one reads from its first line on as if there were none before it. */
  readonly reading: () => (line: OutputLine) => LogLine | undefined;
}

async function answer(options: LogsOptions, wish: LogsWish, stream: LogsStream): Promise<void> {
  await stream.send({ kind: 'join', id: wish.id });
  const readers: Reader[] = [];
  for (const member of wish.members.slice(0, MOST_MEMBERS)) {
    const output = options.outputOf(member);
    if (output === undefined) await note(stream, member, 'it is not on this host');
    else readers.push({ member, output, reading: () => readerOf(member, wish, options) });
  }
  const queue = createLineQueue();
  const past = await Promise.all(readers.map((one) => pastOf(one, wish, stream)));
  await sendPast(options, past.flat(), stream);
  await stream.send({ kind: 'caught-up' });
  if (!wish.follow) return stream.finish();
  const following = readers.map((one) => followOne(one, queue, stream));
  await sendAll(options, queue, stream);
  await Promise.all(following);
}

async function pastOf(
  { member, output, reading }: Reader,
  wish: LogsWish,
  stream: LogsStream,
): Promise<readonly LogLine[]> {
  const isKept = reading();
  try {
    const { lines, isCut } = await output.past(
      {
        sinceMs: wish.since,
        maxLines: Math.min(wish.lines, MOST_LINES),
        keep: (line) => isKept(line) !== undefined,
        isFiltered: wish.level !== undefined,
      },
      stream.ended,
    );
    if (isCut) await note(stream, member, 'not all of the past could be looked through');
    const read = reading();
    return lines.flatMap((line) => read(line) ?? []);
  } catch (error) {
    await note(stream, member, `its past cannot be read: ${messageOf(error)}`);
    return [];
  }
}

async function followOne(
  { member, output, reading }: Reader,
  queue: LineQueue,
  stream: LogsStream,
): Promise<void> {
  const read = reading();
  try {
    await output.follow((one) => {
      const line = read(one);
      if (line !== undefined) queue.push(line);
    }, stream.ended);
  } catch (error) {
    if (stream.ended.aborted) return;
    await note(stream, member, `it cannot be followed any more: ${messageOf(error)}`).catch(
      () => undefined, // nobody is there to be told
    );
  }
}

/** The lines of several members in one order; a line without a time stays behind the one before it. */
async function sendPast(
  options: LogsOptions,
  lines: readonly LogLine[],
  stream: LogsStream,
): Promise<void> {
  const ordered = lines
    .map((line, index) => ({ line, index }))
    .sort((a, b) => (a.line.at ?? 0) - (b.line.at ?? 0) || a.index - b.index)
    .map(({ line }) => line);
  const pace = paced(options.clock);
  for (let from = 0; from < ordered.length && !stream.ended.aborted;) {
    const batch = batchOf(ordered, from);
    from += batch.length;
    await stream.send({ kind: 'lines', lines: batch });
    await pace(JSON.stringify(batch).length, stream.ended);
  }
}

async function sendAll(options: LogsOptions, queue: LineQueue, stream: LogsStream): Promise<void> {
  const pace = paced(options.clock);
  while (!stream.ended.aborted) {
    await queue.ready(stream.ended);
    const message = queue.next();
    if (message === undefined) continue;
    await stream.send(message);
    await pace(JSON.stringify(message).length, stream.ended);
  }
}

/** Waits so long that no more than its share of the line is taken. */
function paced(clock: Clock): (bytes: number, signal: AbortSignal) => Promise<void> {
  let freeAt = clock.monotonic();
  return async (bytes, signal) => {
    const now = clock.monotonic();
    freeAt = Math.max(freeAt, now) + (bytes * 1000) / BYTES_PER_SECOND;
    if (freeAt - now > 50) await clock.sleep(freeAt - now, signal).catch(() => undefined);
  };
}

/**
 * Reads lines of one member in their order: what is below the level goes, with the indented lines behind it; one
 * without a time has that of the line before it. Undefined: not wanted.
 */
function readerOf(
  member: string,
  { level, since, records }: LogsWish,
  { redact }: LogsOptions,
): ReturnType<Reader['reading']> {
  let at: number | undefined;
  let wasKept = true;
  return ({ text, at: takenAt }) => {
    const parsed = parseLine(redact(text), takenAt);
    at = parsed.at ?? at;
    wasKept = continues(parsed) ? wasKept : isAtLeast(parsed, level);
    const isOld = since !== undefined && at !== undefined && at < since;
    return wasKept && !isOld ? lineOf(member, parsed, { at, records, redact }) : undefined;
  };
}

/** Redacted twice: in a JSON record a value may be written in another way than it reads. */
function lineOf(
  member: string,
  { record, detail, message, ...parsed }: ParsedLine,
  options: {
    readonly at: number | undefined;
    readonly records: boolean;
    readonly redact: (text: string) => string;
  },
): LogLine {
  const { at, records, redact } = options;
  return {
    ...parsed,
    member,
    ...(at === undefined ? {} : { at }),
    message: redact(message),
    ...(detail === undefined ? {} : { detail: redact(detail) }),
    ...(record === undefined || !records ? {} : { record: redactedRecord(record, redact) }),
  };
}

/** A value with a quote or a backslash in it is written in another way in the record's own text. */
function redactedRecord(record: string, redact: (text: string) => string): string {
  let wasFound = false;
  const clean: unknown = JSON.parse(record, (_, value: unknown) => {
    if (typeof value !== 'string') return value;
    const text = redact(value);
    wasFound ||= text !== value;
    return text;
  });
  return wasFound ? JSON.stringify(clean) : record;
}

const note = (stream: LogsStream, subject: string, text: string): Promise<void> =>
  stream.send({ kind: 'note', subject, text, again: [] });
