// One stream of lines over the controller's restarts: taken up from the newest line that was seen, and what comes twice
// by that is left out.
import type { Clock } from '@leafward/shared/clock.js';
import type {
  LogLine,
  StreamLogsRequest,
  StreamLogsResponse,
} from '@leafward/shared/gen/domain.js';
import { follow } from './follow.js';

export interface FollowLogsOptions {
  readonly open: (
    request: StreamLogsRequest,
    signal: AbortSignal,
  ) => AsyncIterable<StreamLogsResponse>;
  readonly request: StreamLogsRequest;
  readonly onBreak: (text: string) => void;
  readonly clock: Clock;
}

/** Clocks of hosts differ, and a line may be on its way for a while. */
const MARGIN_MS = 10_000;
const MOST_LINES = 10_000;

export async function* followLogs(
  options: FollowLogsOptions,
  signal: AbortSignal,
): AsyncGenerator<StreamLogsResponse, void> {
  const seen = createSeen();
  const responses = follow<StreamLogsResponse>(
    {
      open: (until) => {
        const newestAt = seen.newestAt();
        if (newestAt === undefined) return options.open(options.request, until);
        seen.again();
        const since = newestAt - MARGIN_MS;
        return options.open({ ...options.request, since, lines: MOST_LINES }, until);
      },
      isLast: () => false,
      onBreak: options.onBreak,
      clock: options.clock,
    },
    signal,
  );
  for await (const response of responses) {
    if (response.kind === 'note') seen.again(response.again);
    if (response.kind !== 'lines') {
      yield response;
      continue;
    }
    const lines = response.lines.filter((line) => seen.isNew(line));
    if (lines.length > 0) yield { kind: 'lines', lines };
  }
}

interface Seen {
  newestAt(): number | undefined;
  /** Lines of these members, or of all, may come again from here on. */
  again(members?: readonly string[]): void;
  /** Remembers it as well. */
  isNew(line: LogLine): boolean;
}

interface SeenMember {
  /** Of the newest line. */
  at: number;
  /** The lines of that moment. */
  texts: Set<string>;
  /** Until this moment they come again; undefined: they do not. */
  againUntil: number | undefined;
}

/** Holds of each member what was said at one moment. */
export function createSeen(): Seen {
  const members = new Map<string, SeenMember>();
  const remember = (member: SeenMember, at: number, message: string): void => {
    if (at < member.at) return;
    if (at > member.at) member.texts = new Set();
    member.at = at;
    if (member.texts.size < MOST_LINES) member.texts.add(message);
  };
  return {
    newestAt() {
      const all = [...members.values()].map(({ at }) => at);
      return all.length === 0 ? undefined : Math.max(...all);
    },
    again(names) {
      for (const [name, member] of members)
        if (names === undefined || names.includes(name)) member.againUntil = member.at;
    },
    isNew({ member: name, at, message }) {
      if (at === undefined) return true;
      const member = members.get(name) ?? { at, texts: new Set(), againUntil: undefined };
      members.set(name, member);
      const until = member.againUntil;
      const isOld =
        until !== undefined && (at < until || (at === until && member.texts.has(message)));
      if (until !== undefined && at > until) member.againUntil = undefined;
      if (!isOld) remember(member, at, message);
      return !isOld;
    },
  };
}
