// The one operating error. A closed set of codes; the message says what was tried, on what, what came back
// and what to do next.

/** Closed set; each has one gRPC status (rpc/status.ts) and one exit code (exitCodeOf). */
export type ErrorCode =
  | 'invalid' // malformed input or configuration
  | 'not-found'
  | 'already-exists'
  | 'denied' // authenticated, but not allowed
  | 'unauthenticated'
  | 'refused' // the domain says no, with reasons
  | 'stale' // an older generation, term, epoch or plan
  | 'unavailable' // a peer or a runtime does not answer
  | 'timeout'
  | 'aborted'
  | 'exhausted' // space, memory, a limit
  | 'failed'; // it was tried and did not work

export type Retry = 'now' | 'later' | 'never';

export interface ErrorOptions {
  readonly retry?: Retry;
  /** Lines below the message: reasons, paths, figures. */
  readonly detail?: readonly string[];
  readonly cause?: unknown;
}

export class LeafwardError extends Error {
  override readonly name = 'LeafwardError';
  readonly retry: Retry;
  readonly detail: readonly string[];

  constructor(
    readonly code: ErrorCode,
    readonly text: string,
    options: ErrorOptions = {},
  ) {
    super(`[${code}] ${text}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.retry = options.retry ?? 'never';
    this.detail = options.detail ?? [];
  }
}

/** Exit code of a program that ends with this error: 2 bad usage or configuration, 3 refused, 4 still waiting, else 1. */
export function exitCodeOf(error: unknown): 1 | 2 | 3 | 4 {
  if (!(error instanceof LeafwardError)) return 1;
  if (error.code === 'invalid') return 2;
  if (error.code === 'refused' || error.code === 'stale' || error.code === 'denied') return 3;
  return 1;
}

/** One line for a log or a screen, without stack. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return String(error);
}

/** True for an abort by signal, which is an outcome and not an error. */
export function isAbort(error: unknown): boolean {
  return (
    (error instanceof LeafwardError && error.code === 'aborted') ||
    (error instanceof Error && error.name === 'AbortError')
  );
}
