// Stands for what measures a real host: disks, sizes, checks, tuning. None of it decides who leads.
import type { Finding, HostFact } from '@leafward/shared/gen/domain.js';
import type { Findings } from '@leafward/agent/findings.js';
import type { Tuner } from '@leafward/agent/checks/check.js';
import { machine } from './machine.js';

const ended = (): Promise<void> => Promise.resolve();

export const startDiskWatcher = () => ({ latency: () => new Map(), stop: ended });
export const startDataMeter = () => ({
  dataBytes: () => new Map(),
  largestDatabases: () => new Map(),
  stop: ended,
});
export const createTuner = (): Pick<Tuner, 'apply' | 'undo'> => ({
  apply: () => Promise.resolve([]),
  undo: () => Promise.resolve([]),
});

export function startFindings(): Findings {
  const none: readonly Finding[] = [];
  return {
    current: () => none,
    certificates: () => [],
    check: () => Promise.resolve(0),
    wake: () => undefined,
    stop: ended,
  };
}

export const readInventory = () => Promise.resolve({ os: 'simulated', kernel: '0' });
export const observeHost = (): Promise<HostFact> => Promise.resolve(machine().hostFact());
