// A fleet of any size as data: services in trees, the intents of their hosts and what agents report of them. Sizes
// and texts are those of a real one, since bytes are what is measured.
import type {
  Backup,
  Finding,
  HostFact,
  HostIntent,
  MemberFact,
  MemberIntent,
  MemberSpec,
  Report,
} from '@leafward/shared/gen/domain.js';
import type { MemberDeclaration, ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { ServiceState } from '@leafward/controller/snapshot.js';

export interface Placed {
  readonly service: string;
  readonly member: string;
  readonly host: string;
  readonly upstream: string | undefined;
}

export interface SampleFleet {
  readonly hosts: readonly string[];
  readonly placed: readonly Placed[];
  readonly byHost: ReadonlyMap<string, readonly Placed[]>;
  readonly byService: ReadonlyMap<string, readonly Placed[]>;
}

const IMAGE_DIGEST = `sha256:${'3f'.repeat(32)}`;
const HOUR_MS = 3_600_000;
/** Each member's upstream by its number: two mirrors of the leader, two mirrors of the first mirror. */
const UPSTREAMS = [undefined, 0, 0, 1, 1];

/** As many hosts as services, so that each host has `membersEach` members of different services. */
export function sampleFleet(services: number, membersEach: number): SampleFleet {
  const hosts = Array.from({ length: services }, (_, i) => `host-${String(i).padStart(4, '0')}`);
  const placed = hosts.flatMap((_, s) =>
    Array.from({ length: membersEach }, (__, m): Placed => {
      const service = `service-${String(s).padStart(4, '0')}`;
      const upstream = UPSTREAMS[m];
      return {
        service,
        member: `0${m}.${service}`,
        host: hosts[(s + m) % hosts.length] ?? '',
        upstream: upstream === undefined ? undefined : `0${upstream}.${service}`,
      };
    }),
  );
  return {
    hosts,
    placed,
    byHost: groupBy(placed, (one) => one.host),
    byService: groupBy(placed, (one) => one.service),
  };
}

function groupBy(
  placed: readonly Placed[],
  key: (one: Placed) => string,
): ReadonlyMap<string, readonly Placed[]> {
  const groups = new Map<string, Placed[]>();
  for (const one of placed) {
    const group = groups.get(key(one));
    if (group === undefined) groups.set(key(one), [one]);
    else group.push(one);
  }
  return groups;
}

export const urlOf = (placed: Placed): string => `aha://${placed.member}.loop.vertex.link`;

const environmentOf = (placed: Placed): Readonly<Record<string, string>> => ({
  SYN_CORTEX_AXON: 'aha://axon.loop.vertex.link',
  SYN_CORTEX_JSONSTOR: 'aha://jsonstor.loop.vertex.link',
  SYN_LOG_LEVEL: 'INFO',
  SYN_CORTEX_AHA_NAME: placed.member,
});

export function specOf(placed: Placed): MemberSpec {
  return {
    kind: 'synapse',
    runtime: 'docker',
    image: { reference: 'vertexproject/synapse-cortex:v2.250.0', digest: IMAGE_DIGEST },
    command: [],
    user: '999',
    environment: environmentOf(placed),
    mounts: [],
    storage: `/srv/syn/${placed.member}/storage`,
    storageTarget: '/vertex/storage',
    networkMode: 'host',
    limits: {},
    ports: { telepath: 27_492 },
    stopGraceMs: 30_000,
    engineOptions: {},
  };
}

const isolation = { onIsolation: 'keep', leaseMs: 15_000 } as const;

function memberIntent(placed: Placed): MemberIntent {
  return {
    member: placed.member,
    service: placed.service,
    spec: specOf(placed),
    run: 'running',
    role: placed.upstream === undefined ? 'leader' : 'mirror',
    upstream:
      placed.upstream === undefined
        ? undefined
        : { member: placed.upstream, url: urlOf({ ...placed, member: placed.upstream }) },
    term: 1,
    mirrored: true,
    boot: 'wait',
    isolation,
  };
}

export function intentOf(fleet: SampleFleet, host: string): HostIntent {
  const members = (fleet.byHost.get(host) ?? []).map(memberIntent);
  return { host, generation: 1, epoch: 1, members };
}

export function serviceStateOf(fleet: SampleFleet, service: string): ServiceState {
  const members = fleet.byService.get(service) ?? [];
  const leader = members.find((one) => one.upstream === undefined)?.member ?? '';
  const upstreams = Object.fromEntries(
    members.flatMap(({ member, upstream }) => (upstream === undefined ? [] : [[member, upstream]])),
  );
  return {
    declaration: declarationOf(service, members),
    topology: { service, term: 1, leader, upstreams, retired: [] },
  };
}

function declarationOf(service: string, members: readonly Placed[]): ServiceDeclaration {
  return {
    name: service,
    kind: 'synapse',
    shape: 'tree',
    runtime: 'docker',
    image: 'vertexproject/synapse-cortex:v2.250.0',
    storageTarget: '/vertex/storage',
    networkMode: 'host',
    limits: {},
    stopGraceMs: 30_000,
    boot: 'wait',
    backup: { maxAgeMs: 24 * HOUR_MS, preferMirror: true },
    update: {
      strategy: 'leafs-first',
      requireBackup: true,
      readyTimeoutMs: 300_000,
      catchUpTimeoutMs: 900_000,
      migrationTimeoutMs: 6 * HOUR_MS,
    },
    failover: { mode: 'manual', isolation },
    after: [],
    members: members.map(memberDeclaration),
  };
}

function memberDeclaration(placed: Placed): MemberDeclaration {
  return {
    name: placed.member,
    host: placed.host,
    upstream: placed.upstream,
    storage: `/srv/syn/${placed.member}/storage`,
    environment: environmentOf(placed),
    mounts: [],
    ports: { telepath: 27_492 },
    command: [],
    user: '999',
    url: urlOf(placed),
    engineOptions: {},
  };
}

/** What an agent sees at rest. `version` is of the member's program. */
export function memberFactOf(placed: Placed, now: number, position = 1_204_511): MemberFact {
  const isLeader = placed.upstream === undefined;
  return {
    member: placed.member,
    service: placed.service,
    seenAt: now,
    container: {
      state: 'running',
      id: 'c0ffee'.repeat(10) + placed.member.slice(-4),
      startedAt: now - HOUR_MS,
      imageDigest: IMAGE_DIGEST,
      specDigest: `sha256:${'5a'.repeat(32)}`,
      restartPolicy: 'no',
    },
    engine: {
      answered: true,
      version: '2.250.0',
      iden: '6f'.repeat(16),
      runId: 'a1'.repeat(16),
      active: isLeader,
      ready: true,
      uplink: isLeader ? undefined : true,
      readOnly: false,
      position,
      upstreamUrl:
        placed.upstream === undefined ? undefined : urlOf({ ...placed, member: placed.upstream }),
      health: 'nominal',
    },
    storage: {
      dataBytes: 48_318_382_080,
      freeBytes: 210_453_397_504,
      totalBytes: 549_755_813_888,
      markerTerm: 1,
    },
    term: 1,
    starts: 3,
    startsSinceRetired: 0,
    waits: [],
    refusals: [],
    permitLeftMs: isLeader ? 12_000 : undefined,
  };
}

export function hostFactOf(now: number): HostFact {
  const volume = (path: string, device: string) => ({
    path,
    device,
    fileSystem: 'ext4',
    totalBytes: 549_755_813_888,
    freeBytes: 210_453_397_504,
    fdatasyncP50Ms: 0.412,
    fdatasyncP99Ms: 2.107,
    probedAt: now - 60_000,
    writeAwaitMs: 0.731,
  });
  return {
    seenAt: now,
    bootId: '0f8fad5b-d9cb-469f-a165-70867728950e',
    agentVersion: '0.1.0',
    agentStartedAt: now - 24 * HOUR_MS,
    memoryTotalBytes: 137_438_953_472,
    memoryAvailableBytes: 61_203_283_968,
    load1: 1.27,
    cpus: 16,
    agentRssBytes: 67_108_864,
    agentCpuSeconds: 214.37,
    loopDelayP99Ms: 1.42,
    volumes: [volume('/srv/syn', '/dev/nvme1n1'), volume('/srv/backup', '/dev/nvme2n1')],
    os: 'Debian GNU/Linux 12 x86_64',
    kernel: '6.1.0-18-amd64',
  };
}

const CHECKS = 22; // as many as an agent has

export function findingsOf(now: number): readonly Finding[] {
  return Array.from({ length: CHECKS }, (_, i) => ({
    check: `check-of-the-guide-${i}`,
    subject: '/srv/syn',
    severity: i === 3 ? ('warning' as const) : ('ok' as const),
    seen: `vm.some_setting is ${i}`,
    wanted: 'at most 5, scaled from 128 GiB to the memory of this host',
    why: 'Too many dirty pages are written out at once and the log waits for its disk meanwhile.',
    fix: 'leafward host check HOST --fix sets it now and in /etc/sysctl.d/60-leafward.conf.',
    fixable: true,
    seenAt: now,
    source: 'Synapse deployment guide, "Performance tuning"',
  }));
}

export function backupsOf(placed: readonly Placed[], now: number): readonly Backup[] {
  return placed
    .filter((one) => one.upstream !== undefined)
    .slice(0, 1)
    .map((one) => ({
      name: 'b20261121120000',
      service: one.service,
      member: one.member,
      host: one.host,
      path: `/srv/syn/${one.member}/storage/backups/b20261121120000`,
      sizeBytes: 21_474_836_480,
      files: 148,
      position: 1_204_002,
      version: '2.250.0',
      term: 1,
      startedAt: now - HOUR_MS,
      finishedAt: now - HOUR_MS + 120_000,
      manifestSha256: '9c'.repeat(32),
      iden: '6f'.repeat(16),
    }));
}

/** The first report of a session says everything, later ones what changes. */
export function reportOf(
  placed: readonly Placed[],
  options: { readonly sequence: number; readonly now: number; readonly isFirst: boolean },
): Report {
  const { sequence, now, isFirst } = options;
  return {
    sequence,
    sentAt: now,
    generation: 1,
    host: hostFactOf(now),
    members: placed.map((one) => memberFactOf(one, now, 1_204_511 + sequence)),
    outcomes: [],
    refusedOrders: 0,
    ...(isFirst
      ? { findings: { findings: findingsOf(now) }, backups: { backups: backupsOf(placed, now) } }
      : {}),
  };
}
