// What is measured of each host and of each of its volumes.
import type { Severity } from '@leafward/shared/gen/domain.js';
import type { HostState } from '../snapshot.js';
import { counter, gauge, labelText, seconds, truth, type Family, type Sample } from './family.js';
import type { VolumeSubject } from './rows.js';

/** Waivers by `${host}\0${check}`. */
export type Waived = ReadonlySet<string>;

const MOST_FINDINGS = 500; // per host; more is a bug of its agent

export function hostFamilies(
  waived: Waived,
  refusedOrders: ReadonlyMap<string, number>,
): readonly Family<HostState>[] {
  return [
    gauge(
      'leafward_host_connected',
      '1 while the agent of the host is connected and reports.',
      ({ connected }) => truth(connected),
    ),
    gauge(
      'leafward_host_last_seen_timestamp_seconds',
      'When the agent of the host was last heard.',
      ({ lastSeenAt }) => seconds(lastSeenAt),
    ),
    gauge(
      'leafward_host_clock_offset_seconds',
      "How far the clock of the host is ahead of the controller's.",
      ({ clockOffsetMs }) => seconds(clockOffsetMs),
    ),
    gauge(
      'leafward_host_certificate_expiry_timestamp_seconds',
      'When the certificate of the agent ends.',
      ({ certificateExpiresAt }) => seconds(certificateExpiresAt),
    ),
    gauge(
      'leafward_host_intent_pending',
      '1 while the host has not yet accepted the newest intent.',
      ({ intent, acceptedGeneration }) =>
        intent === undefined ? undefined : Number((acceptedGeneration ?? 0) < intent.generation),
    ),
    {
      name: 'leafward_host_findings',
      help: 'Findings of the host by check and severity; waived ones are marked.',
      kind: 'gauge',
      samples: (host) => findingSamples(host, waived),
    },
    gauge(
      'leafward_host_memory_available_bytes',
      'Memory available to new work.',
      ({ fact }) => fact?.memoryAvailableBytes,
    ),
    gauge(
      'leafward_host_memory_bytes',
      'Memory of the host.',
      ({ fact }) => fact?.memoryTotalBytes,
    ),
    gauge('leafward_host_load1', 'Load average over one minute.', ({ fact }) => fact?.load1),
    ...programFamilies,
    counter(
      'leafward_agent_refused_orders_total',
      'Orders that the agent refused since it started: of an older generation, term or epoch.',
      ({ name }) => refusedOrders.get(name),
    ),
  ];
}

/** Of what Leafward itself runs there. */
const programFamilies: readonly Family<HostState>[] = [
  gauge(
    'leafward_agent_resident_memory_bytes',
    'Resident memory of the agent.',
    ({ fact }) => fact?.agentRssBytes,
  ),
  counter(
    'leafward_agent_cpu_seconds_total',
    'Processor time of the agent and its children.',
    ({ fact }) => fact?.agentCpuSeconds,
  ),
  gauge(
    'leafward_agent_loop_delay_p99_seconds',
    "99th percentile of the delay of the agent's event loop.",
    ({ fact }) => seconds(fact?.loopDelayP99Ms),
  ),
  gauge(
    'leafward_deadman_alive',
    '1 while the dead-man of the host looks at its deadlines. Missing where it has nothing to do.',
    ({ fact }) => (fact?.deadman === undefined ? undefined : truth(fact.deadman.alive)),
  ),
  gauge(
    'leafward_deadman_armed',
    'Leaders of the host whose deadline the dead-man watches.',
    ({ fact }) => fact?.deadman?.armed,
  ),
  counter(
    'leafward_deadman_stops_total',
    'Leaders that the dead-man stopped since the host booted: their agent had not.',
    ({ fact }) => fact?.deadman?.stops,
  ),
  gauge(
    'leafward_deadman_last_stop_timestamp_seconds',
    'When the dead-man stopped a leader last.',
    ({ fact }) => seconds(fact?.deadman?.lastStopAt),
  ),
];

/** One sample for each check and severity, however many subjects the check has. */
function findingSamples(host: HostState, waived: Waived): readonly Sample[] {
  const counts = new Map<string, number>();
  for (const { check, severity } of host.findings.slice(0, MOST_FINDINGS)) {
    const more = findingLabels(check, severity, waived.has(`${host.name}\0${check}`));
    counts.set(more, (counts.get(more) ?? 0) + 1);
  }
  return [...counts];
}

/** The same few labels for every host: their text is made once. */
function findingLabels(check: string, severity: Severity, isWaived: boolean): string {
  const key = `${isWaived ? 'w' : '-'}${severity}\0${check}`;
  const known = labelTexts.get(key);
  if (known !== undefined) return known;
  const text = `,${labelText({ check, severity, waived: String(isWaived) })}`;
  if (labelTexts.size < MOST_LABEL_TEXTS) labelTexts.set(key, text);
  return text;
}

const MOST_LABEL_TEXTS = 1_000; // checks are some dozens
const labelTexts = new Map<string, string>();

export const VOLUME_FAMILIES: readonly Family<VolumeSubject>[] = [
  gauge('leafward_volume_size_bytes', 'Size of the volume.', ({ volume }) => volume.totalBytes),
  gauge(
    'leafward_volume_free_bytes',
    'Bytes of the volume that are free to ordinary users.',
    ({ volume }) => volume.freeBytes,
  ),
  gauge(
    'leafward_volume_fdatasync_p50_seconds',
    'Median fdatasync latency of the last probe.',
    ({ volume }) => seconds(volume.fdatasyncP50Ms),
  ),
  gauge(
    'leafward_volume_fdatasync_p99_seconds',
    '99th percentile of the fdatasync latency of the last probe.',
    ({ volume }) => seconds(volume.fdatasyncP99Ms),
  ),
  gauge(
    'leafward_volume_write_await_seconds',
    'Mean time of a write to the device, measured without writing.',
    ({ volume }) => seconds(volume.writeAwaitMs),
  ),
];
