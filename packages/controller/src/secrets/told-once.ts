// Words that are told once and are on no disk (I14): passwords and keys on their way to a host, one-time URLs on their
// way from one. In memory, few, and not for long: whoever restarts has lost them, and what needs one asks anew.
import type { Clock } from '@leafward/shared/clock.js';
import type { Outcome, Request } from '@leafward/shared/gen/domain.js';
import type { Change } from '../changes.js';

export interface ToldOnce {
  /** The change as it may be stored and shown; the word in it is kept here. */
  withhold(change: Change): Change;
  /** The request as its host gets it. */
  complete(request: Request): Request;
  /** What a request brought; told once, then forgotten. Undefined: it brought none, or it was lost. */
  take(requestId: string): string | undefined;
}

const MAX_WORDS = 256;
const KEPT_MS = 15 * 60_000;

interface Word {
  readonly text: string;
  readonly until: number;
}

export function createToldOnce(clock: Pick<Clock, 'monotonic'>): ToldOnce {
  const orders = new Map<string, Word>();
  const answers = new Map<string, Word>();
  const keep = (words: Map<string, Word>, id: string, text: string): void => {
    const now = clock.monotonic();
    for (const [other, { until }] of words) if (until <= now) words.delete(other);
    const [oldest] = words.keys();
    if (words.size >= MAX_WORDS && oldest !== undefined) words.delete(oldest);
    words.set(id, { text, until: now + KEPT_MS });
  };
  const wordOf = (words: Map<string, Word>, id: string): string | undefined => {
    const word = words.get(id);
    return word === undefined || word.until <= clock.monotonic() ? undefined : word.text;
  };
  return {
    withhold(change) {
      if (change.kind === 'outcome') {
        const { requestId, state } = change.outcome;
        if (state !== 'running') orders.delete(requestId);
        const { secret, ...outcome } = change.outcome;
        if (secret === undefined) return change;
        keep(answers, requestId, secret);
        return { ...change, outcome: outcome satisfies Outcome };
      }
      if (change.kind !== 'request' || change.state.request.secret === undefined) return change;
      const { request } = change.state;
      keep(orders, request.id, change.state.request.secret);
      return { ...change, state: { ...change.state, request: { ...request, secret: undefined } } };
    },
    complete(request) {
      const { id, secretFrom } = request;
      const secret =
        wordOf(orders, id) ?? (secretFrom === undefined ? undefined : wordOf(answers, secretFrom));
      return secret === undefined ? request : { ...request, secret };
    },
    take(requestId) {
      const text = wordOf(answers, requestId);
      answers.delete(requestId);
      return text;
    },
  };
}
