// All benchmarks, in the order in which they run.
import { fdatasync } from './fdatasync-row.js';
import type { Benchmark } from './harness.js';
import { planning } from './planning.js';
import { statusLatency } from './status-latency.js';
import { telepathPoll } from './telepath-poll.js';
import { thousandAgents } from './thousand-agents.js';

export const benchmarks: readonly Benchmark[] = [
  fdatasync,
  telepathPoll,
  planning,
  statusLatency,
  thousandAgents,
];
