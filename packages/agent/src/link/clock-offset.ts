// How far the controller's clock is from this host's, from the answers to hello and reports: the controller's time
// plus half the round trip, minus our own (RFC 5905 with one server). Of the last few samples the one with the
// shortest round trip is the best.
import type { Clock } from '@leafward/shared/clock.js';
import type { SessionRequest, SessionResponse } from '@leafward/shared/gen/domain.js';

const SAMPLES = 8; // at a report per 5 s a clock that was set is seen within 40 s
const MAX_UNANSWERED = 64;
const HELLO = 'hello';

export interface ClockOffset {
  sent(message: SessionRequest): void;
  received(message: SessionResponse): void;
  /** The controller's clock minus ours; undefined before the first answer. */
  milliseconds(): number | undefined;
}

export function createClockOffset(clock: Clock): ClockOffset {
  const sentAt = new Map<number | typeof HELLO, number>();
  let samples: readonly { readonly offsetMs: number; readonly roundTripMs: number }[] = [];

  const sample = (key: number | typeof HELLO, theirs: number): void => {
    const at = sentAt.get(key);
    if (at === undefined) return;
    sentAt.delete(key);
    const roundTripMs = clock.monotonic() - at;
    const offsetMs = theirs + roundTripMs / 2 - clock.now();
    samples = [...samples, { offsetMs, roundTripMs }].slice(-SAMPLES);
  };
  return {
    sent: (message) => {
      if (message.kind === 'intent-answer') return;
      if (message.kind === 'hello') sentAt.clear();
      sentAt.set(message.kind === 'hello' ? HELLO : message.sequence, clock.monotonic());
      const oldest = sentAt.keys().next().value;
      if (sentAt.size > MAX_UNANSWERED && oldest !== undefined) sentAt.delete(oldest);
    },
    received: (message) => {
      if (message.kind === 'welcome') sample(HELLO, message.clockMs);
      if (message.kind === 'report-answer') sample(message.sequence, message.clockMs);
    },
    milliseconds: () => {
      const best = [...samples].sort((a, b) => a.roundTripMs - b.roundTripMs)[0];
      return best === undefined ? undefined : Math.round(best.offsetMs);
    },
  };
}
