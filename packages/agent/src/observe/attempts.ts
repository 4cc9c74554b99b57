// How often something went wrong with a member lately, and how long to leave it alone. Pure: what happened
// goes in with its time, the next state comes out.
import type { ContainerFact } from '@leafward/shared/gen/domain.js';
import type { Backoff } from '../plan/observed.js';

export interface Attempts {
  /** What is wanted; another one begins with a clean slate. */
  readonly key: string;
  readonly failures: number;
  readonly cause: Backoff['cause'];
  /** Monotonic milliseconds. */
  readonly notBefore: number;
  readonly lastError?: string | undefined;
  readonly failedStep?: string | undefined;
  /** It was seen running or was started: an end that is not ours is then a crash. */
  readonly expectsRunning: boolean;
  /** Monotonic milliseconds since when it is expected to run. */
  readonly runningSince: number;
}

const FIRST_DELAY_MS = 1000;
const MAX_DELAY_MS = 5 * 60_000;
/** Stopping is never left alone for long. */
const MAX_STOP_DELAY_MS = 5000;
/** Who lived this long did not crash at its start: the count begins anew. */
const STEADY_MS = 60_000;

export function freshAttempts(key: string): Attempts {
  return {
    key,
    failures: 0,
    cause: 'none',
    notBefore: 0,
    expectsRunning: false,
    runningSince: 0,
  };
}

/** After a look at the container. */
export function afterLook(attempts: Attempts, container: ContainerFact, now: number): Attempts {
  if (container.state === 'running') {
    if (!attempts.expectsRunning) return { ...attempts, expectsRunning: true, runningSince: now };
    const steady = now - attempts.runningSince >= STEADY_MS;
    return steady && attempts.cause === 'exit'
      ? { ...attempts, failures: 0, cause: 'none' }
      : attempts;
  }
  if (container.state !== 'exited' || !attempts.expectsRunning) return attempts;
  const failures = now - attempts.runningSince >= STEADY_MS ? 1 : attempts.failures + 1;
  return {
    ...attempts,
    expectsRunning: false,
    failures,
    cause: 'exit',
    notBefore: now + delayMs(failures, MAX_DELAY_MS),
  };
}

/** After a chain of steps. */
export function afterSteps(
  attempts: Attempts,
  steps: {
    readonly error?: string | undefined;
    readonly failedStep?: string | undefined;
    /** Kinds of the steps that were done. */
    readonly done: readonly string[];
    readonly wantsRunning: boolean;
  },
  now: number,
): Attempts {
  const lastStop = steps.done.lastIndexOf('stop');
  const lastStart = steps.done.lastIndexOf('start');
  const expectsRunning =
    lastStart > lastStop ? true : lastStop >= 0 ? false : attempts.expectsRunning;
  const next = {
    ...attempts,
    expectsRunning,
    runningSince: lastStart > lastStop ? now : attempts.runningSince,
  };
  if (steps.error === undefined)
    return attempts.cause === 'step' ? { ...next, failures: 0, cause: 'none' } : next;
  const failures = (attempts.cause === 'step' ? attempts.failures : 0) + 1;
  const longest = steps.wantsRunning ? MAX_DELAY_MS : MAX_STOP_DELAY_MS;
  return {
    ...next,
    failures,
    cause: 'step',
    lastError: steps.error,
    failedStep: steps.failedStep,
    notBefore: now + delayMs(failures, longest),
  };
}

export function backoffOf(attempts: Attempts, now: number): Backoff {
  return {
    cause: attempts.cause,
    failures: attempts.failures,
    // Whole: it becomes a deadline, and deadlines are whole on the wire.
    leftMs: Math.ceil(Math.max(0, attempts.notBefore - now)),
    lastError: attempts.cause === 'step' ? attempts.lastError : undefined,
    failedStep: attempts.cause === 'step' ? attempts.failedStep : undefined,
  };
}

function delayMs(failures: number, longestMs: number): number {
  return Math.min(longestMs, FIRST_DELAY_MS * 2 ** Math.min(failures - 1, 20));
}
