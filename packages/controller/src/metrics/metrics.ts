// What the controller measures of itself (prom-client) and of its fleet (straight from the snapshot). Series are
// bounded: labels are services, members, hosts, checks and states, never ids or messages (I14).
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Goal, OperationState, Report } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { createProbeHistograms } from './probe-histograms.js';
import { renderSnapshot } from './render-fleet.js';

export interface Metrics {
  /** The controller's own; the fleet's series are not in it. */
  readonly registry: Registry;
  /** Agents with an open stream. */
  setAgentsConnected(count: number): void;
  /** Things waiting in one of the controller's queues; `queue` is one of a few fixed names. */
  setQueueDepth(queue: string, depth: number): void;
  observeReport(host: string, report: Report): void;
  /** Enrolments and calls that were refused, by a fixed reason such as 'used-token' or 'denied'. */
  observeRefusedCall(reason: string): void;
  observeStoreWrite(durationMs: number): void;
  /** A pass of one of the controller's loops. */
  observePass(loop: string, durationMs: number): void;
  observeOperationEnded(kind: Goal['kind'], state: OperationState): void;
  /** A failover that nobody ordered has begun. */
  observeAutomaticFailover(service: string): void;
  /** Everything, as Prometheus text in pieces. */
  collectSnapshot(snapshot: Snapshot): AsyncGenerator<string, void>;
  stop(): void;
}

export function createMetrics(version: string): Metrics {
  const registry = new Registry();
  const own = createOwnMetrics(registry, version);
  const loop = watchLoop(registry);
  const probes = createProbeHistograms();
  const refusedOrders = new Map<string, number>();
  return {
    registry,
    setAgentsConnected: (count) => own.agents.set(count),
    setQueueDepth: (queue, depth) => own.queues.set({ queue }, depth),
    observeReport(host, report) {
      own.reports.inc();
      refusedOrders.set(host, report.refusedOrders);
      if (report.host !== undefined) probes.observe(host, report.host);
    },
    observeRefusedCall: (reason) => own.refusedCalls.inc({ reason }),
    observeStoreWrite: (durationMs) => own.storeWrites.observe(durationMs / 1000),
    observePass: (name, durationMs) => own.passes.observe({ loop: name }, durationMs / 1000),
    observeOperationEnded: (kind, state) => own.ended.inc({ kind, state }),
    observeAutomaticFailover: (service) => own.automatic.inc({ service }),
    async *collectSnapshot(snapshot) {
      const began = performance.now();
      for (const host of refusedOrders.keys())
        if (snapshot.hosts[host] === undefined) refusedOrders.delete(host);
      yield* renderSnapshot(snapshot, { probes, refusedOrders });
      own.collect.set((performance.now() - began) / 1000);
      yield await registry.metrics();
    },
    stop: loop.stop,
  };
}

const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

function createOwnMetrics(registry: Registry, version: string) {
  const registers = [registry];
  new Gauge({
    name: 'leafward_build_info',
    help: 'Always 1; the label says which version this controller is.',
    labelNames: ['version'],
    registers,
  }).set({ version }, 1);
  return {
    agents: new Gauge({
      name: 'leafward_agents_connected',
      help: 'Agents whose stream is open.',
      registers,
    }),
    queues: new Gauge({
      name: 'leafward_queue_depth',
      help: "Things that wait in a queue of the controller's.",
      labelNames: ['queue'],
      registers,
    }),
    reports: new Counter({
      name: 'leafward_reports_received_total',
      help: 'Reports received from agents.',
      registers,
    }),
    refusedCalls: new Counter({
      name: 'leafward_refused_calls_total',
      help: 'Calls and enrolments that the controller refused, by reason.',
      labelNames: ['reason'],
      registers,
    }),
    ended: new Counter({
      name: 'leafward_operations_ended_total',
      help: 'Operations that ended since the controller started, by kind and state.',
      labelNames: ['kind', 'state'],
      registers,
    }),
    automatic: new Counter({
      name: 'leafward_automatic_failovers_total',
      help: 'Failovers that the controller began by itself since it started.',
      labelNames: ['service'],
      registers,
    }),
    storeWrites: new Histogram({
      name: 'leafward_store_write_seconds',
      help: 'Time of one committed transaction of the store.',
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    passes: new Histogram({
      name: 'leafward_pass_seconds',
      help: "Time of one pass of a loop of the controller's.",
      labelNames: ['loop'],
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    collect: new Gauge({
      name: 'leafward_collect_duration_seconds',
      help: 'How long it took to write the series of the fleet, rests included.',
      registers,
    }),
  };
}

const LOOP_RESOLUTION_MS = 10;
const LOOP_WINDOW_MS = 30_000; // two scrapes of the usual 15 s

/** Delay of the event loop over the last window, and what the process takes. */
function watchLoop(registry: Registry): { readonly stop: () => void } {
  const registers = [registry];
  const monitor = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  monitor.enable();
  let since = performance.now();
  // The monitor counts its own interval as delay.
  const delay = (nanoseconds: number): number =>
    Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - LOOP_RESOLUTION_MS / 1000) : 0;
  const longest = new Gauge({
    name: 'leafward_event_loop_delay_max_seconds',
    help: "Longest delay of the controller's event loop within the last half minute.",
    registers,
  });
  new Gauge({
    name: 'leafward_event_loop_delay_p99_seconds',
    help: "99th percentile of the delay of the controller's event loop within the last half minute.",
    registers,
    collect() {
      this.set(delay(monitor.percentile(99)));
      longest.set(delay(monitor.max));
      if (performance.now() - since < LOOP_WINDOW_MS) return;
      monitor.reset();
      since = performance.now();
    },
  });
  new Gauge({
    name: 'leafward_controller_resident_memory_bytes',
    help: 'Resident memory of the controller.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Counter({
    name: 'leafward_controller_cpu_seconds_total',
    help: 'Processor time of the controller.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  return { stop: () => monitor.disable() };
}
