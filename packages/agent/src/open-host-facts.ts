// What is told of the host itself: the parts that are read once, and those that every look reads. Decides nothing.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock } from '@leafward/shared/clock.js';
import type { HostFact } from '@leafward/shared/gen/domain.js';
import type { DiskWatcher } from './checks/disk-watcher.js';
import type { AgentConfig } from './config.js';
import type { Guard } from './deadman/guard.js';
import { observeHost, readInventory } from './host-fact.js';
import { VERSION } from './version.js';

export interface HostFactsOptions {
  readonly config: AgentConfig;
  readonly clock: Clock;
  /** Volumes that are told of are those of these. */
  readonly paths: () => readonly string[];
  readonly disks: Pick<DiskWatcher, 'latency'>;
  readonly deadman: Guard['deadman'];
}

export interface HostFacts {
  readonly observe: () => Promise<HostFact>;
  readonly stop: () => void;
}

/** A coarse sampler: five wakes a second are the whole cost of knowing that the loop is blocked. */
const LOOP_DELAY_RESOLUTION_MS = 200;

export async function openHostFacts(options: HostFactsOptions): Promise<HostFacts> {
  const { clock, config } = options;
  const startedAt = clock.now();
  const inventory = await readInventory(config.roots);
  const delays = monitorEventLoopDelay({ resolution: LOOP_DELAY_RESOLUTION_MS });
  delays.enable();
  return {
    stop: () => void delays.disable(),
    observe: () => {
      const loopDelayP99Ms = Math.max(0, delays.percentile(99) / 1e6 - LOOP_DELAY_RESOLUTION_MS);
      delays.reset();
      return observeHost({
        roots: config.roots,
        now: clock.now(),
        agentVersion: VERSION,
        agentStartedAt: startedAt,
        loopDelayP99Ms,
        paths: options.paths(),
        latency: options.disks.latency(),
        inventory,
        deadman: options.deadman.fact(),
      });
    },
  };
}
