// Makes a member the leader in the words of its kind, and believes it only when it says so itself.
import { setTimeout as delay } from 'node:timers/promises';
import { isAbort, LeafwardError } from '@leafward/shared/errors.js';
import { leads } from './observe.js';
import { act, has, type Talk } from './run-command.js';

/** Each look is a process or more. */
const LOOK_EVERY_MS = 250;

/** Throws as its interface says: after `timeout` and `failed` it may or may not lead. */
export async function promote(
  talk: Talk,
  options: { readonly graceful: boolean; readonly timeoutMs: number },
  signal: AbortSignal,
): Promise<void> {
  const { graceful, timeoutMs } = options;
  const name = graceful ? 'promote' : 'forcePromote';
  const { member } = talk.member;
  const giveUpAt = performance.now() + timeoutMs;
  if (has(talk, 'role') && (await leads(talk, signal))) return;
  try {
    await act(talk, name, { timeoutMs }, signal);
    while (!(await leads(talk, signal))) {
      if (performance.now() > giveUpAt)
        throw new LeafwardError(
          'timeout',
          `promote ${member}: the command ${name} succeeded, but it does not lead after ${timeoutMs} ms`,
        );
      await delay(LOOK_EVERY_MS, undefined, { signal });
    }
  } catch (error) {
    if (!(error instanceof LeafwardError) || isAbort(error) || error.code === 'invalid')
      throw error;
    const code = error.code === 'timeout' ? 'timeout' : 'failed';
    const text = `promote ${member}: ${error.text}; it may or may not lead now: observe, do not repeat`;
    throw new LeafwardError(code, text);
  }
}

/** Fenced first: a position before that could still grow. Undefined: its kind cannot be fenced while it runs. */
export async function stepDown(
  talk: Talk,
  askPosition: () => Promise<number | undefined>,
  options: { readonly timeoutMs: number },
  signal: AbortSignal,
): Promise<{ readonly position: number } | undefined> {
  if (!has(talk, 'fence') || !has(talk, 'position')) return undefined;
  await act(talk, 'fence', options, signal);
  const position = await askPosition();
  return position === undefined ? undefined : { position };
}
