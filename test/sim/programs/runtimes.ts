// Stands for runtimes/registry.ts: the one simulated runtime of this host, under both names.
import type { Runtime } from '@leafward/agent/runtimes/runtime.js';
import { machine } from './machine.js';

export interface Runtimes {
  of(name: Runtime['name']): Runtime;
}

export async function openRuntimes(options: {
  readonly onChange: () => void;
  readonly signal: AbortSignal;
}): Promise<Runtimes> {
  const { runtime } = machine();
  runtime.watch(options.onChange, options.signal);
  return { of: () => runtime };
}
