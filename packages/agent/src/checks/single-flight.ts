// Deadlines for calls that cannot be taken back (statfs, getaddrinfo, realpath). A call that hangs
// holds a thread of libuv's pool for ever: so there is at most one of a key under way, however
// often it is asked for.
import { setTimeout as delay } from 'node:timers/promises';
import { LeafwardError } from '@leafward/shared/errors.js';

export interface SingleFlight {
  /** @throws LeafwardError `timeout`, `aborted`, or what the call threw. */
  <T>(
    key: string,
    call: () => Promise<T>,
    options: { readonly deadlineMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<T>;
}

export function createSingleFlight(): SingleFlight {
  const flights = new Map<string, Promise<unknown>>();
  return async <T>(
    key: string,
    call: () => Promise<T>,
    options: { readonly deadlineMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<T> => {
    let flight = flights.get(key) as Promise<T> | undefined;
    if (flight === undefined) {
      flight = call().finally(() => flights.delete(key));
      flight.catch(() => undefined);
      flights.set(key, flight);
    }
    return await within(flight, { what: key, ...options });
  };
}

/** The work's value, or `timeout` / `aborted`; the work itself goes on. */
export async function within<T>(
  work: Promise<T>,
  options: {
    readonly what: string;
    readonly deadlineMs: number;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<T> {
  const over = new AbortController();
  let isDone = false;
  const { what, deadlineMs, signal } = options;
  const onAbort = (): void => over.abort();
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted === true) over.abort();
  const expired = delay(deadlineMs, undefined, { signal: over.signal, ref: true }).then(
    () =>
      new LeafwardError('timeout', `${what}: no answer within ${deadlineMs} ms`, {
        retry: 'later',
      }),
    // Nearly all end by the work being done: then nobody needs an error, nor pays for its stack.
    () => (isDone ? undefined : new LeafwardError('aborted', `${what}: aborted`)),
  );
  try {
    return await Promise.race([
      work,
      expired.then((error): never => {
        throw error as LeafwardError;
      }),
    ]);
  } finally {
    isDone = true;
    signal?.removeEventListener('abort', onAbort);
    over.abort();
  }
}
