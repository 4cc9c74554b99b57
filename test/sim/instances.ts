// The instances of a bundled program: one for each simulated process of a seed, each with its own memory. The next seed
// takes them over, module state made new, because a program that is evaluated afresh for every process runs most of
// its life before the compiler has learnt anything of it. Whatever it reaches of a machine is that of its process now.
import type { Globals } from './globals.js';

export type Modules = Readonly<Record<string, unknown>>;
type Exports = Readonly<Record<string, unknown>>;

export interface Program {
  /** An instance that no other process of this seed has. */
  start(globals: Globals, modules: Modules): Exports;
  /** The seed is over: its processes have run their last. */
  recycle(): void;
}

interface Surroundings {
  readonly globals: Globals;
  readonly modules: Modules;
}

interface Instance {
  readonly exports: Exports;
  readonly resets: readonly (() => void)[];
  now: Surroundings;
}

/** Parameters of a bundle, in this order, and `onReset` behind them. */
export const GLOBAL_NAMES = [
  ...(['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate'] as const),
  ...(['clearImmediate', 'queueMicrotask', 'performance', 'Date', 'Math'] as const),
  ...(['AbortController', 'AbortSignal', 'process'] as const),
];

/** Knows no process. */
const SAME: ReadonlySet<string> = new Set(['AbortController']);

export type Evaluate = (
  module: { exports: Exports },
  require: (path: string) => unknown,
  globals: readonly unknown[],
  onReset: (reset: () => void) => void,
) => void;

/** @param external what the bundle requires and no process brings along. @throws Error for what nothing stands for. */
export function createProgram(
  name: string,
  evaluate: Evaluate,
  external: (path: string) => unknown,
): Program {
  const instances: Instance[] = [];
  let used = 0;
  const make = (first: Surroundings): Instance => {
    const module = { exports: {} as Exports };
    const resets: (() => void)[] = [];
    const at = { now: first };
    const require = (path: string): unknown => {
      const value =
        path in first.modules
          ? redirected(first.modules[path], () => at.now.modules[path])
          : external(path);
      if (value === undefined) throw new Error(`${name}: nothing simulated stands for ${path}`);
      return value;
    };
    const globals = GLOBAL_NAMES.map((key) =>
      SAME.has(key)
        ? first.globals[key]
        : redirected(first.globals[key], () => at.now.globals[key]),
    );
    evaluate(module, require, globals, (reset) => void resets.push(reset));
    return Object.assign(at, { exports: module.exports, resets });
  };
  return {
    start(globals, modules) {
      const surroundings = { globals, modules };
      const instance = (instances[used] ??= make(surroundings));
      used += 1;
      instance.now = surroundings;
      for (const reset of instance.resets) reset();
      return instance.exports;
    },
    recycle: () => void (used = 0),
  };
}

/** The same functions, looked up when they are called. Classes are called with `new`, in Date's case with statics. */
function redirected(first: unknown, now: () => unknown): unknown {
  if (typeof first === 'function') return redirectedFunction(first as Call, now as () => Call);
  if (typeof first !== 'object' || first === null) return first;
  const made = Object.create(Object.getPrototypeOf(first) as object) as Record<string, unknown>;
  for (const [key, value] of Object.entries(first))
    made[key] = redirected(value, () => (now() as Record<string, unknown>)[key]);
  return made;
}

type Call = (...args: unknown[]) => unknown;

function redirectedFunction(first: Call, now: () => Call): Call {
  const isClass = /^class\b/.test(Function.prototype.toString.call(first));
  const call = isClass
    ? function (...args: unknown[]): unknown {
        return Reflect.construct(now(), args) as unknown;
      }
    : (...args: unknown[]): unknown => now()(...args);
  Object.setPrototypeOf(call, Object.getPrototypeOf(first) as object);
  for (const key of Object.getOwnPropertyNames(first))
    if (!['length', 'name', 'prototype', 'arguments', 'caller'].includes(key))
      Object.defineProperty(call, key, {
        value: redirected(
          (first as unknown as Modules)[key],
          () => (now() as unknown as Modules)[key],
        ),
      });
  return call;
}
