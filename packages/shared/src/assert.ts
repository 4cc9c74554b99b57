// What must hold. A failed assertion is a bug: the process crashes, its supervisor restarts it and the
// journal recovers. On in production.

export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** @throws AssertionError with the message (or what the function returns) when the condition is false. */
export function assert(condition: unknown, message: string | (() => string)): asserts condition {
  if (!condition) throw new AssertionError(typeof message === 'string' ? message : message());
}

/** For the default of a switch over a tagged union: the compiler proves that it is never reached. */
export function unreachable(value: never): never {
  throw new AssertionError(`not possible: ${JSON.stringify(value)}`);
}
