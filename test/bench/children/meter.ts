// What a server's process takes and how long its event loop was held up; the same for every server that is measured.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { ServerFigures } from '../figures.js';

const RESOLUTION_MS = 1;

export interface Meter {
  figures(messages: number): ServerFigures;
  /** The longest delay of the loop since the last call, milliseconds. */
  takeLoopDelay(): number;
}

export function createMeter(): Meter {
  const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  monitor.enable();
  return {
    figures: (messages) => {
      const { user, system } = process.cpuUsage();
      const { rss, heapUsed, external } = process.memoryUsage();
      return {
        messages,
        cpuUs: user + system,
        rssBytes: rss,
        heapBytes: heapUsed,
        externalBytes: external,
        at: Date.now(),
      };
    },
    takeLoopDelay: () => {
      // The monitor counts its own interval as delay.
      const longest = Math.max(0, monitor.max / 1e6 - RESOLUTION_MS);
      monitor.reset();
      return longest;
    },
  };
}
