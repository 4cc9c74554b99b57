// The snapshot as rows of subjects: members, hosts, volumes, services. Reads, decides nothing.
import type { Backup, MemberFact, Outcome, VolumeFact } from '@leafward/shared/gen/domain.js';
import { isRetired } from '@leafward/shared/topology.js';
import { compareEveryMs } from '../planning/divergence.js';
import type { HostState, Received, ServiceState, Snapshot } from '../snapshot.js';
import { copiesOf, type CopiesSubject } from './copies.js';
import { labelText, type Row } from './family.js';

export type MemberRole = 'leader' | 'mirror' | 'worker' | 'retired';

export interface MemberSubject {
  readonly kind: string;
  readonly role: MemberRole;
  readonly received?: Received<MemberFact> | undefined;
  /** The fact, while its host is connected: an old one says nothing about now. */
  readonly fresh?: MemberFact | undefined;
  /** The leader's position, while that is fresh. */
  readonly leaderPosition?: number | undefined;
  /** What the leader's agent told last, also when it is silent: entries of a log do not change. */
  readonly leader?: MemberFact | undefined;
  /** Its log is compared with its leader's. */
  readonly isCompared: boolean;
}

export interface VolumeSubject {
  readonly host: string;
  readonly volume: VolumeFact;
}

export interface ServiceSubject {
  readonly service: ServiceState;
  readonly now: number;
  readonly lastBackup?: Backup | undefined;
  readonly lastAttempt?: Outcome | undefined;
  /** Undefined: none of its backups goes off its host. */
  readonly copies?: CopiesSubject | undefined;
}

const MOST_VOLUMES = 64; // per host; more is a bug of its agent

/** Rows of one service's members: the living and the retired. */
export function memberRows(snapshot: Snapshot, name: string): readonly Row<MemberSubject>[] {
  const service = snapshot.services[name];
  if (service === undefined) return [];
  const { topology, declaration } = service;
  const hostOf = new Map(declaration.members.map((member) => [member.name, member.host]));
  const names = new Set([
    topology.leader,
    ...Object.keys(topology.upstreams),
    ...topology.retired.map(({ member }) => member),
  ]);
  const freshOf = (member: string): MemberFact | undefined => {
    const host = snapshot.hosts[hostOf.get(member) ?? ''];
    return host?.connected === true ? host.members[member]?.value : undefined;
  };
  const leaderPosition = freshOf(topology.leader)?.engine.position;
  const leader = snapshot.hosts[hostOf.get(topology.leader) ?? '']?.members[topology.leader]?.value;
  const isCompared = compareEveryMs(declaration) > 0;
  return [...names].map((member) => {
    const host = hostOf.get(member) ?? '';
    return {
      labels: labelText({ service: name, member, host }),
      subject: {
        kind: declaration.kind,
        role: roleOf(service, member),
        received: snapshot.hosts[host]?.members[member],
        fresh: freshOf(member),
        leaderPosition,
        leader,
        isCompared,
      },
    };
  });
}

function roleOf({ topology, declaration }: ServiceState, member: string): MemberRole {
  if (isRetired(topology, member) && topology.upstreams[member] === undefined)
    return topology.leader === member ? 'leader' : 'retired';
  if (topology.leader === member) return 'leader';
  return declaration.shape === 'stack' ? 'worker' : 'mirror';
}

export function hostRows(snapshot: Snapshot): readonly Row<HostState>[] {
  return Object.values(snapshot.hosts)
    .filter((host) => host.enrolled && !host.revoked)
    .map((host) => ({ labels: labelText({ host: host.name }), subject: host }));
}

export function volumeRows(hosts: readonly Row<HostState>[]): readonly Row<VolumeSubject>[] {
  return hosts.flatMap(({ subject: host }) =>
    (host.fact?.volumes ?? []).slice(0, MOST_VOLUMES).map((volume) => ({
      labels: labelText({ host: host.name, volume: volume.path }),
      subject: { host: host.name, volume },
    })),
  );
}

export function serviceRows(snapshot: Snapshot): readonly Row<ServiceSubject>[] {
  const lastBackups = newestBackups(snapshot.backups);
  const attempts = lastAttempts(snapshot);
  return Object.entries(snapshot.services).map(([name, service]) => ({
    labels: labelText({ service: name }),
    subject: {
      service,
      now: snapshot.now,
      lastBackup: lastBackups.get(name),
      lastAttempt: attempts.get(name),
      copies: copiesOf(snapshot, service),
    },
  }));
}

function newestBackups(backups: readonly Backup[]): ReadonlyMap<string, Backup> {
  const newest = new Map<string, Backup>();
  for (const backup of backups) {
    const known = newest.get(backup.service);
    if (known === undefined || known.finishedAt < backup.finishedAt)
      newest.set(backup.service, backup);
  }
  return newest;
}

/** The newest finished backup request of each service. */
function lastAttempts(snapshot: Snapshot): ReadonlyMap<string, Outcome> {
  const serviceOf = new Map<string, string>();
  for (const [name, { declaration }] of Object.entries(snapshot.services))
    for (const member of declaration.members) serviceOf.set(member.name, name);
  const newest = new Map<string, Outcome>();
  for (const { request, outcome } of Object.values(snapshot.requests)) {
    if (request.kind !== 'run-backup' || outcome?.finishedAt === undefined) continue;
    const service = serviceOf.get(request.member);
    if (service === undefined) continue;
    const known = newest.get(service)?.finishedAt ?? 0;
    if (known < outcome.finishedAt) newest.set(service, outcome);
  }
  return newest;
}
