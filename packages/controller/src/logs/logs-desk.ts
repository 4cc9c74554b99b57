// Lines of logs on their way from agents to operators. An operator's call asks the agents of its hosts, which call in
// turn; what they send is put in order and passed on no faster than the operator takes it. Nothing of it is kept.
import { randomUUID } from 'node:crypto';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  LogLine,
  LogsNote,
  LogsRequest,
  StreamLogsRequest,
  StreamLogsResponse,
} from '@leafward/shared/gen/domain.js';
import { statusFromError } from '@leafward/shared/rpc/status.js';
import type { Fleet } from '../fleet.js';
import type { Sessions } from '../sessions.js';
import { membersByHost } from './members-by-host.js';
import { HOLD_MS, nextSource } from './merge.js';
import { newSource, shift, take, type LogsStream, type Source } from './source.js';

export interface LogsDesk {
  /** Takes a stream whose caller was proven to be this host's agent. */
  accept(host: string, stream: LogsStream): void;
  /** @throws LeafwardError `not-found`, `invalid`, `exhausted` */
  stream(request: StreamLogsRequest, signal: AbortSignal): AsyncIterable<StreamLogsResponse>;
}

export interface LogsDeskOptions {
  readonly fleet: Fleet;
  readonly sessions: Pick<Sessions, 'wish'>;
  readonly clock: Clock;
}

const MOST_CALLS = 32;
const MOST_LINES = 10_000;
/** An agent that does not call in this time is asked again. */
const ANSWER_MS = 10_000;
const LOOK_EVERY_MS = 1_000;
const BATCH_LINES = 200;

interface Call {
  readonly request: StreamLogsRequest;
  readonly sources: readonly Source[];
  readonly notes: LogsNote[];
  wake: () => void;
}

interface Asked {
  readonly call: Call;
  readonly source: Source;
}

export function createLogsDesk({ fleet, sessions, clock }: LogsDeskOptions): LogsDesk {
  /** By the id of their wish. */
  const open = new Map<string, Asked>();
  let calls = 0;

  const ask = (call: Call, source: Source): void => {
    open.delete(source.id);
    source.id = randomUUID();
    source.heardAt = clock.monotonic();
    const { since, lines, follow, level, records } = call.request;
    const from = since === undefined ? undefined : since + source.clockOffsetMs;
    const session = sessions.wish(source.host, {
      id: source.id,
      members: source.members,
      since: source.newestAt ?? from,
      lines: source.newestAt === undefined ? Math.min(lines, MOST_LINES) : MOST_LINES,
      follow,
      level,
      records,
    });
    if (session === undefined) return miss(call, source, 'its agent is not connected');
    source.state = 'asked';
    open.set(source.id, { call, source });
  };
  return {
    accept: (host, stream) => accept(open, { host, stream, clock }),
    async *stream(request, signal) {
      if (calls >= MOST_CALLS)
        throw new LeafwardError('exhausted', `${MOST_CALLS} operators look at logs already`, {
          retry: 'later',
        });
      const byHost = membersByHost(fleet.snapshot(), request.subjects);
      const sources = [...byHost].map(([host, members]) =>
        newSource(host, members, fleet.host(host).clockOffsetMs ?? 0),
      );
      const call: Call = { request, sources, notes: [], wake: () => undefined };
      calls += 1;
      try {
        for (const source of sources) ask(call, source);
        yield* passOn(call, { clock, signal, ask: (source) => ask(call, source) });
      } finally {
        calls -= 1;
        for (const source of sources) {
          open.delete(source.id);
          source.state = 'over';
          source.stream?.end();
          source.stream = undefined;
        }
      }
    },
  };
}

/** The first word says which wish is answered; only the host that was asked may. */
function accept(
  open: ReadonlyMap<string, Asked>,
  caller: { readonly host: string; readonly stream: LogsStream; readonly clock: Clock },
): void {
  const { host, stream, clock } = caller;
  let joined: Asked | undefined;
  stream.on('data', (message: LogsRequest) => {
    if (joined === undefined) {
      const asked = message.kind === 'join' ? open.get(message.id) : undefined;
      if (asked?.source.host !== host || asked.source.stream !== undefined)
        return stream.emit('error', statusFromError(notAsked(host)));
      joined = asked;
      Object.assign(asked.source, { stream, state: 'past', isMissed: false });
    }
    const { call, source } = joined;
    if (source.stream !== stream) return undefined;
    const note = take(source, message, clock.monotonic());
    if (note !== undefined) call.notes.push(note);
    return call.wake();
  });
  const onOver = (): void => {
    if (joined?.source.stream === stream) leave(joined.call, joined.source);
  };
  stream.on('end', () => {
    stream.end();
    onOver();
  });
  stream.on('error', onOver);
  stream.on('cancelled', onOver);
}

interface Passing {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly ask: (source: Source) => void;
}

async function* passOn(
  call: Call,
  { clock, signal, ask }: Passing,
): AsyncGenerator<StreamLogsResponse, void> {
  while (!signal.aborted) {
    for (const source of call.sources) lookAfter(call, source, { ask, now: clock.monotonic() });
    for (const note of call.notes.splice(0)) yield { kind: 'note', ...note };
    let isNothing = true;
    for (const response of ordered(call.sources, clock.monotonic())) {
      isNothing = false;
      yield response;
    }
    const isOver = call.sources.every(({ state, queue }) => state === 'over' && queue.length === 0);
    if (isOver && call.notes.length === 0) return;
    if (!isNothing) continue;
    const waits = call.sources.some(({ queue }) => queue.length > 0);
    await untilWoken(call, clock, waits ? HOLD_MS / 4 : LOOK_EVERY_MS, signal);
  }
}

/** What may be passed on now, some lines in each message. */
function* ordered(sources: readonly Source[], now: number): Generator<StreamLogsResponse> {
  let lines: LogLine[] = [];
  for (;;) {
    const source = nextSource(sources, now);
    const item = source === undefined ? undefined : shift(source);
    if (item?.kind === 'line') lines.push(item.line);
    const isFull = lines.length >= BATCH_LINES;
    if (lines.length > 0 && (isFull || item?.kind !== 'line')) {
      yield { kind: 'lines', lines };
      lines = [];
    }
    if (item?.kind === 'skipped') yield item;
    if (item === undefined || isFull) return;
  }
}

/** Who is away is asked again; who does not call is missed. */
function lookAfter(
  call: Call,
  source: Source,
  { ask, now }: { readonly ask: Passing['ask']; readonly now: number },
): void {
  const silentMs = now - source.heardAt;
  if (source.state === 'away' && silentMs >= LOOK_EVERY_MS) ask(source);
  if (source.state === 'asked' && silentMs >= ANSWER_MS)
    miss(call, source, 'its agent does not answer; it may be an older one');
}

/** Its stream has ended: as it should, or it is asked again. */
function leave(call: Call, source: Source): void {
  source.stream = undefined;
  const isDone = source.state === 'live' && !call.request.follow;
  if (isDone || source.state === 'over') source.state = 'over';
  else miss(call, source, 'its stream has ended');
  call.wake();
}

function miss(call: Call, source: Source, why: string): void {
  const { follow } = call.request;
  source.state = follow ? 'away' : 'over';
  // They come again, with what was not passed on yet.
  if (follow) source.queue.length = 0;
  if (!source.isMissed)
    call.notes.push({
      subject: source.host,
      text: follow
        ? `${why}; its lines go on when it is here again`
        : `${why}: its lines are missing`,
      again: source.newestAt === undefined ? [] : source.members,
    });
  source.isMissed = true;
  call.wake();
}

async function untilWoken(
  call: Call,
  clock: Clock,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const woken = new AbortController();
  call.wake = () => woken.abort();
  if (call.notes.length > 0) return;
  await clock.sleep(ms, AbortSignal.any([signal, woken.signal])).catch(() => undefined);
}

const notAsked = (host: string): LeafwardError =>
  new LeafwardError('denied', `host ${host} was not asked for these lines`);
