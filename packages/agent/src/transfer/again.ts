// A transfer over a line that may break: joined anew until it is done, is refused, or nothing has come of it for long.
import { backoffMs } from '@leafward/shared/backoff.js';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { OpenTransferLine, TransferLine } from './line.js';

export interface TransferParts {
  readonly clock: Clock;
  /** Undefined: this agent has no controller to call. */
  readonly transferLine?: OpenTransferLine | undefined;
}

export interface JoinOptions {
  readonly parts: TransferParts;
  readonly transfer: string;
  readonly sends: boolean;
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
  /** How long nothing may come of it. Default 15 min. */
  readonly patienceMs?: number | undefined;
}

const BACKOFF = { minMs: 500, maxMs: 30_000 };
/** A controller is away for its update, a host for its reboot; a transfer nobody answers in this time is over. */
const PATIENCE_MS = 15 * 60_000;

/** @throws LeafwardError what `work` throws, but for a line that breaks: then it is called again with a new one. */
export async function withLine<T>(
  { parts, transfer, sends, onProgress, signal, patienceMs = PATIENCE_MS }: JoinOptions,
  work: (line: TransferLine) => Promise<T>,
): Promise<T> {
  const { clock, transferLine } = parts;
  if (transferLine === undefined)
    throw new LeafwardError('unavailable', 'transfer a backup: this agent has no controller');
  let failures = 0;
  let movedAt = clock.monotonic();
  for (;;) {
    const line = transferLine(signal);
    try {
      await line.send({ kind: 'join', transfer, sends });
      return await work(noting(line, () => (movedAt = clock.monotonic())));
    } catch (error) {
      const isBroken = error instanceof LeafwardError && error.code === 'unavailable';
      const isOver = clock.monotonic() - movedAt > patienceMs;
      if (!isBroken || isOver || signal.aborted) throw error;
      failures = clock.monotonic() - movedAt > BACKOFF.maxMs ? failures + 1 : 1;
      onProgress(`${error.text}; trying again`);
    } finally {
      line.close();
    }
    await clock.sleep(backoffMs(failures, BACKOFF, Math.random()), signal);
  }
}

/** The line, with a word for each message of the other end. */
function noting(line: TransferLine, onMoved: () => void): TransferLine {
  const next = async () => {
    const message = await line.next();
    onMoved();
    return message;
  };
  return {
    next,
    send: (message) => line.send(message),
    pending: () => line.pending(),
    finish: () => line.finish(),
    close: () => line.close(),
  };
}
