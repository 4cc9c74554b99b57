// Writes into a member's storage, one after the other for each storage and none waited for longer than a moment: a
// volume that hangs must not keep the steps of its member from being stopped, nor a late write undo a newer one.
import { within } from './checks/single-flight.js';

/** A marker or a role is some hundred bytes; a volume that takes longer than this is as good as gone. */
const DEADLINE_MS = 5000;

const turns = new Map<string, Promise<unknown>>();

/** @throws what the write throws, LeafwardError `timeout` when it (or one before it) does not end in time. */
export async function writeInTurn(
  storage: string,
  write: () => Promise<void>,
  deadlineMs = DEADLINE_MS,
): Promise<void> {
  const earlier = turns.get(storage) ?? Promise.resolve();
  let givenUp = false;
  // One that was given up while it waited is planned again, perhaps as another one.
  const turn = earlier.then(() => (givenUp ? undefined : write()));
  const done = turn.catch(() => undefined);
  turns.set(storage, done);
  void done.then(() => turns.get(storage) === done && turns.delete(storage));
  try {
    await within(turn, { what: `write into ${storage}`, deadlineMs });
  } finally {
    givenUp = true;
  }
}
