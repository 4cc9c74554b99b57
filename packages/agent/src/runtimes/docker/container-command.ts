// Reads what a command in a container prints, until its stream ends or its time is up. The Engine may hang up at any
// byte.
import type { IncomingMessage } from 'node:http';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { CommandOutput } from '../command-output.js';
import { readFrames } from './stream-frames.js';

export interface Following {
  readonly deadlineMs: number;
  /** Asked now and then: whoever the program left behind may hold its output open. */
  readonly isOver: () => Promise<boolean>;
  readonly signal: AbortSignal;
}

/** `held`: its program has ended, and something that it left behind holds its output. */
export type HowItEnded = 'ended' | 'held' | 'timeout' | 'aborted' | 'hung-up';

const ASK_EVERY_MS = 1_000;

/** Never throws. */
export function follow(
  stream: IncomingMessage,
  output: CommandOutput,
  { deadlineMs, isOver, signal }: Following,
): Promise<HowItEnded> {
  const take = readFrames((channel, part) =>
    channel === 2 ? output.stderr(part) : output.stdout(part),
  );
  return new Promise((resolve) => {
    let asking = false;
    let lastAt = performance.now();
    const settle = (how: HowItEnded): void => {
      clearTimeout(deadline);
      clearInterval(ask);
      signal.removeEventListener('abort', onAbort);
      stream.removeListener('data', onData);
      stream.destroy();
      resolve(how);
    };
    const onData = (chunk: Buffer): void => {
      lastAt = performance.now();
      take(chunk);
    };
    const onAbort = (): void => settle('aborted');
    const deadline = setTimeout(() => settle('timeout'), deadlineMs);
    const ask = setInterval(() => {
      if (asking || performance.now() - lastAt < ASK_EVERY_MS) return;
      asking = true;
      void isOver()
        .catch(() => false)
        .then((over) => {
          asking = false;
          if (over) settle('held');
        });
    }, ASK_EVERY_MS);
    stream.on('data', onData);
    stream.on('end', () => settle('ended'));
    stream.on('error', () => settle('hung-up'));
    stream.on('close', () => settle('hung-up'));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** What to throw for a command that did not end by itself. */
export function brokenOff(
  doing: string,
  how: Exclude<HowItEnded, 'ended' | 'held'>,
  options: { readonly deadlineMs: number; readonly isKilled: boolean },
): LeafwardError {
  const left = options.isKilled
    ? 'all that it began was killed'
    : 'what it began could not be killed and may still run: look into the container';
  if (how === 'aborted') return new LeafwardError('aborted', `${doing}: aborted; ${left}`);
  const [code, why] =
    how === 'timeout'
      ? (['timeout', `not over after ${options.deadlineMs} ms`] as const)
      : (['unavailable', 'the Engine hung up'] as const);
  return new LeafwardError(code, `${doing}: ${why}; ${left}`, { retry: 'later' });
}
