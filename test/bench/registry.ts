// All benchmarks, in the order in which they run.
import type { Benchmark } from './harness.js';
import { statusLatency } from './status-latency.js';

export const benchmarks: readonly Benchmark[] = [statusLatency];
