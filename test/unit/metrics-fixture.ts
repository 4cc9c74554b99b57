// Fleets of any size as snapshots, for the metrics.
import type { MemberFact } from '@leafward/shared/gen/domain.js';
import type { MemberDeclaration, ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { HostState, Snapshot } from '@leafward/controller/snapshot.js';

export const NOW = Date.UTC(2026, 10, 21, 12, 0, 0);

export const memberFact = (
  service: string,
  member: string,
  over: Partial<MemberFact> = {},
): MemberFact => ({
  member,
  service,
  seenAt: NOW - 1_000,
  container: { state: 'running' },
  engine: { answered: true, active: member.startsWith('00'), ready: true, position: 1_000 },
  storage: { dataBytes: 5_000, freeBytes: 10_000, totalBytes: 20_000 },
  term: 3,
  starts: 2,
  startsSinceRetired: 0,
  waits: [],
  refusals: [],
  ...over,
});

export const hostState = (name: string, over: Partial<HostState> = {}): HostState => ({
  name,
  enrolled: true,
  revoked: false,
  connected: true,
  lastSeenAt: NOW - 1_000,
  clockOffsetMs: 2,
  certificateExpiresAt: NOW + 86_400_000,
  members: {},
  findings: [],
  fact: {
    seenAt: NOW,
    bootId: 'b',
    agentVersion: '0.1.0',
    agentStartedAt: NOW - 1_000_000,
    memoryTotalBytes: 1e9,
    memoryAvailableBytes: 5e8,
    load1: 0.5,
    cpus: 2,
    agentRssBytes: 6e7,
    agentCpuSeconds: 12,
    loopDelayP99Ms: 1.5,
    os: 'Debian 12',
    kernel: '6.1',
    volumes: [
      {
        path: '/srv',
        device: 'sda',
        fileSystem: 'ext4',
        totalBytes: 100e9,
        freeBytes: 60e9,
        fdatasyncP50Ms: 0.4,
        fdatasyncP99Ms: 2,
        probedAt: NOW - 60_000,
      },
    ],
  },
  ...over,
});

const memberDeclaration = (name: string, host: string): MemberDeclaration => ({
  name,
  host,
  storage: `/srv/${name}`,
  environment: {},
  mounts: [],
  ports: {},
  command: [],
  url: '',
  engineOptions: {},
});

export const declaration = (
  name: string,
  members: Readonly<Record<string, string>>,
): ServiceDeclaration => ({
  name,
  kind: 'synapse',
  shape: 'tree',
  runtime: 'process',
  image: 'x',
  storageTarget: '/vertex/storage',
  networkMode: 'host',
  limits: {},
  stopGraceMs: 1_000,
  boot: 'wait',
  backup: { maxAgeMs: 86_400_000, preferMirror: true },
  update: {
    strategy: 'leafs-first',
    requireBackup: true,
    readyTimeoutMs: 1,
    catchUpTimeoutMs: 1,
    migrationTimeoutMs: 1,
  },
  failover: { mode: 'manual', isolation: { onIsolation: 'keep', leaseMs: 5_000 } },
  after: [],
  members: Object.entries(members).map(([member, host]) => memberDeclaration(member, host)),
});

export const emptySnapshot: Snapshot = {
  now: NOW,
  fleet: 'demo',
  epoch: 4,
  controllerStartedAt: NOW - 1_000_000,
  services: {},
  hosts: {},
  requests: {},
  backups: [],
  operations: [],
  waivers: [],
  history: {},
};

/** That many services of five members on that many hosts. */
export function largeSnapshot(services: number, hosts: number): Snapshot {
  const names = Array.from({ length: hosts }, (_, i) => `host-${i}`);
  const members: Record<string, Record<string, { value: MemberFact; receivedAt: number }>> = {};
  const states: Record<string, Snapshot['services'][string]> = {};
  for (let s = 0; s < services; s++) {
    const service = `service-${s}`;
    const placed: Record<string, string> = {};
    for (let m = 0; m < 5; m++) {
      const member = `0${m}.${service}`;
      const host = names[(s * 5 + m) % hosts] ?? 'host-0';
      placed[member] = host;
      (members[host] ??= {})[member] = { value: memberFact(service, member), receivedAt: NOW };
    }
    const [leader = '', ...mirrors] = Object.keys(placed);
    states[service] = {
      declaration: declaration(service, placed),
      topology: {
        service,
        term: 3,
        leader,
        upstreams: Object.fromEntries(mirrors.map((mirror) => [mirror, leader])),
        retired: [],
      },
    };
  }
  const findings = Array.from({ length: 15 }, (_, i) => ({
    check: `check-${i}`,
    subject: '',
    severity: 'ok' as const,
    seen: '',
    wanted: '',
    why: '',
    fix: '',
    fixable: false,
    seenAt: NOW,
    source: '',
  }));
  const hostStates = names.map((name) => [
    name,
    hostState(name, { members: members[name] ?? {}, findings }),
  ]);
  return {
    ...emptySnapshot,
    services: states,
    hosts: Object.fromEntries(hostStates) as Snapshot['hosts'],
  };
}
