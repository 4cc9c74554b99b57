// One host's lines in one operator's stream: what has arrived and was not passed on yet, and how its agent does. Holds
// few: when they are not taken, the agent is not read any more, and counts there what nobody took.
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type {
  LogLine,
  LogsNote,
  LogsRequest,
  LogsResponse,
  LogsSkipped,
} from '@leafward/shared/gen/domain.js';

export type LogsStream = ServerDuplexStream<LogsRequest, LogsResponse>;

export type Item =
  { readonly kind: 'line'; readonly line: LogLine } | ({ readonly kind: 'skipped' } & LogsSkipped);

export interface Waiting {
  readonly item: Item;
  /** When it was written by the controller's clock, as well as it is known. */
  readonly key: number;
  /** Monotonic. */
  readonly arrivedAt: number;
}

/** `away`: its agent is not here; `asked`: it was told to call; `past`, `live`: it sends; `over`: nothing more comes. */
export type SourceState = 'away' | 'asked' | 'past' | 'live' | 'over';

export interface Source {
  readonly host: string;
  readonly members: readonly string[];
  state: SourceState;
  /** Of the wish that it was sent last. */
  id: string;
  /** Monotonic: the last word of it, or to it. */
  heardAt: number;
  /** By its host's clock: when the newest line was written that was passed on. */
  newestAt: number | undefined;
  /** Its agent's clock minus the controller's. */
  clockOffsetMs: number;
  readonly queue: Waiting[];
  stream: LogsStream | undefined;
  /** It was said already that it is away. */
  isMissed: boolean;
}

/** Messages hold a hundred lines each. */
const MOST_WAITING = 1_000;

export const newSource = (
  host: string,
  members: readonly string[],
  clockOffsetMs: number,
): Source => ({
  host,
  members,
  state: 'away',
  id: '',
  heardAt: 0,
  newestAt: undefined,
  clockOffsetMs,
  queue: [],
  stream: undefined,
  isMissed: false,
});

/** Takes one message; what is to be told at once is returned. */
export function take(source: Source, message: LogsRequest, now: number): LogsNote | undefined {
  source.heardAt = now;
  const last = source.queue.at(-1)?.key ?? 0;
  switch (message.kind) {
    case 'lines':
      for (const line of message.lines) {
        const at = line.at ?? source.newestAt;
        const key = at === undefined ? last : at - source.clockOffsetMs;
        source.queue.push({ item: { kind: 'line', line }, key, arrivedAt: now });
      }
      break;
    case 'skipped':
      source.queue.push({ item: message, key: last, arrivedAt: now });
      break;
    case 'caught-up':
      source.state = 'live';
      break;
    case 'note':
      return {
        ...message,
        subject: message.subject === 'this host' ? source.host : message.subject,
      };
    case 'join':
      break;
  }
  if (source.queue.length >= MOST_WAITING) source.stream?.pause();
  return undefined;
}

/** The first that waits. */
export function shift(source: Source): Item | undefined {
  const item = source.queue.shift()?.item;
  if (item?.kind === 'line') source.newestAt = item.line.at ?? source.newestAt;
  if (source.queue.length < MOST_WAITING / 2) source.stream?.resume();
  return item;
}
