// Everything through which a program learns the time, waits, draws chances or ends: made anew for each simulated
// process, on its host's clock. A program gets these in place of Node's own (load.ts).
import { createHash, createHmac } from 'node:crypto';
import { createAborts } from './abort.js';
import { uptimeOf, wallOf, type Host } from './hosts.js';
import type { Random } from './random.js';
import type { Scheduler, SimEvent, SimProcess } from './scheduler.js';

export interface GlobalsOptions {
  readonly host: Host;
  readonly process: SimProcess;
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** The program ended itself over a bug. */
  readonly onExit: (reason: string) => void;
}

interface Timer {
  event: SimEvent | undefined;
  ref(): Timer;
  unref(): Timer;
  hasRef(): boolean;
}

type Callback = (...args: unknown[]) => void;

export function createGlobals(options: GlobalsOptions) {
  const { host, process, scheduler, random } = options;
  const trueMs = (ms: number): number => Math.max(0, ms) / host.rate;
  const newTimer = (): Timer => {
    const timer: Timer = {
      event: undefined,
      ref: () => timer,
      unref: () => timer,
      hasRef: () => true,
    };
    return timer;
  };
  const setTimeout = (callback: Callback, ms = 0, ...args: unknown[]): Timer => {
    const timer = newTimer();
    timer.event = scheduler.after(trueMs(Math.max(1, ms)), () => callback(...args), process);
    return timer;
  };
  const setInterval = (callback: Callback, ms = 0): Timer => {
    const timer = newTimer();
    const again = (): void => {
      timer.event = scheduler.after(trueMs(Math.max(1, ms)), tick, process);
    };
    const tick = (): void => {
      again();
      callback();
    };
    again();
    return timer;
  };
  const clear = (timer: Timer | undefined): void => {
    if (timer?.event !== undefined) timer.event.cancelled = true;
  };
  const setImmediate = (callback: Callback, ...args: unknown[]): Timer => {
    const timer = newTimer();
    timer.event = scheduler.after(0, () => callback(...args), process);
    return timer;
  };
  const delay = <T>(ms: number, value: T, how: { readonly signal?: AbortSignal } = {}) =>
    new Promise<T>((resolve, reject) => {
      const { signal } = how;
      if (signal?.aborted === true) return reject(ABORTED);
      const onAbort = (): void => {
        clear(timer);
        reject(ABORTED);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve(value);
      }, ms);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  const performance = { now: () => uptimeOf(host, scheduler.now) };
  const runSafely = (task: () => void): void => {
    try {
      task();
    } catch (error) {
      options.onExit(error instanceof Error ? error.message : String(error));
    }
  };
  const hexes = (bytes: number): string =>
    Array.from({ length: bytes }, () => random.below(256).toString(16).padStart(2, '0')).join('');
  const globals = {
    setTimeout,
    clearTimeout: clear,
    setInterval,
    clearInterval: clear,
    setImmediate,
    clearImmediate: clear,
    queueMicrotask: (task: () => void) => queueMicrotask(() => runSafely(task)),
    performance,
    Date: dateOf(() => Math.floor(wallOf(host, scheduler.now))),
    Math: Object.assign(Object.create(Math) as typeof Math, { random: () => random.next() }),
    ...createAborts(setTimeout),
    process: {
      env: {},
      pid: 4242,
      argv: ['node', 'simulated'],
      exitCode: 0,
      exit: (code: number) => options.onExit(`exit code ${code}`),
      nextTick: (task: () => void) => queueMicrotask(() => runSafely(task)),
    },
  };
  const modules: Readonly<Record<string, unknown>> = {
    'node:timers/promises': {
      setTimeout: delay,
      setImmediate: () => new Promise((r) => setImmediate(r)),
    },
    'node:perf_hooks': { performance },
    'node:crypto': {
      createHash,
      createHmac,
      randomUUID: () => hexes(16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
      randomBytes: (bytes: number) => Buffer.from(hexes(bytes), 'hex'),
    },
  };
  return { globals, modules };
}

export type Globals = ReturnType<typeof createGlobals>['globals'];

/** One for all: every wait that is not needed any more ends with it, and nobody asks it for more than its name. */
const ABORTED = Object.freeze(
  Object.assign(new Error('The operation was aborted'), { name: 'AbortError', code: 'ABORT_ERR' }),
);

function dateOf(now: () => number): DateConstructor {
  class SimulatedDate extends Date {
    constructor(...args: unknown[]) {
      if (args.length === 0) super(now());
      else super(...(args as [number]));
    }
    static override now(): number {
      return now();
    }
  }
  return SimulatedDate as unknown as DateConstructor;
}
