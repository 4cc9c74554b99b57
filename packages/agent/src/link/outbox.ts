// What waits to be sent while the controller is slower than the agent. Of reports only the newest is worth sending;
// answers are never dropped: when too many wait, the connection is no good.
import type { SessionRequest } from '@leafward/shared/gen/domain.js';
import type { Dialled } from './dial.js';

const MAX_ANSWERS = 256; // a controller orders one intent at a time; this many unread answers are a stall

export interface Outbox {
  /** False: an answer found no room. */
  push(message: SessionRequest): boolean;
}

/** `onSent` is told of each message at the moment it leaves. */
export function createOutbox(
  connection: Pick<Dialled, 'write' | 'onDrain'>,
  onSent: (message: SessionRequest) => void,
): Outbox {
  let isWritable = true;
  let answers: SessionRequest[] = [];
  let report: SessionRequest | undefined;

  const flush = (): void => {
    while (isWritable) {
      const next = answers.shift() ?? report;
      if (next === undefined) return;
      if (next === report) report = undefined;
      onSent(next);
      isWritable = connection.write(next);
    }
  };
  connection.onDrain(() => {
    isWritable = true;
    flush();
  });
  return {
    push: (message) => {
      if (message.kind === 'report') report = message;
      else if (answers.length >= MAX_ANSWERS) return false;
      else answers = [...answers, message];
      flush();
      return true;
    },
  };
}
