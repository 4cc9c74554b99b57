// A fleet whose store is lost, as a small model: what the store knew, what each host has taken of it, and how its
// members really are. It knows nothing of the rules that put the store together again.
import { rebuildChanges } from '@leafward/controller/rebuild/changes.js';
import type { Heard } from '@leafward/controller/rebuild/orders.js';
import { permitsFor } from '@leafward/controller/permits.js';
import type { Change } from '@leafward/controller/changes.js';
import type { RebuildState, Snapshot } from '@leafward/controller/snapshot.js';
import type {
  HostIntent,
  MemberFact,
  MemberIntent,
  Memory,
  Permit,
} from '@leafward/shared/gen/domain.js';
import { emptySnapshot } from '../unit/metrics-fixture.js';
import { failOver, handOver, type Topology } from '@leafward/shared/topology.js';

export const SERVICE = 'cortex';
export const NOW = 1_000_000;
const HOSTS = ['alpha', 'bravo', 'charlie', 'delta'];
export const memberOn = (host: string): string => `0${HOSTS.indexOf(host)}.cortex`;
export const hostOf = (member: string): string => HOSTS[Number(member.slice(0, 2))] ?? '';

export interface Host {
  readonly name: string;
  isUp: boolean;
  /** What the store wanted of it at last, and what its agent has. */
  wanted: HostIntent;
  taken: HostIntent;
  terms: number;
  promotedAt: number;
  retiredAt: number | undefined;
  /** The program itself. */
  runs: boolean;
  leads: boolean;
}

export interface LostFleet {
  topology: Topology;
  readonly hosts: Readonly<Record<string, Host>>;
}

export function newFleet(count: number): LostFleet {
  const names = HOSTS.slice(0, count);
  const [first = 'alpha', ...others] = names;
  const topology: Topology = {
    service: SERVICE,
    term: 1,
    leader: memberOn(first),
    upstreams: Object.fromEntries(others.map((name) => [memberOn(name), memberOn(first)])),
    retired: [],
  };
  const hosts = names.map((name): readonly [string, Host] => {
    const order = { host: name, generation: 0, epoch: 7, members: [] };
    const isFirst = name === first;
    return [
      name,
      {
        name,
        isUp: true,
        wanted: order,
        taken: order,
        terms: 1,
        promotedAt: 0,
        retiredAt: undefined,
        runs: true,
        leads: isFirst,
      },
    ];
  });
  const fleet = { topology, hosts: Object.fromEntries(hosts) };
  for (const name of names) order(fleet, name, intentOf(topology, memberOn(name)));
  return fleet;
}

export function intentOf(topology: Topology, member: string): MemberIntent {
  const upstream = topology.upstreams[member];
  const isRetired = topology.retired.some((one) => one.member === member);
  const above = isRetired ? topology.leader : upstream;
  return {
    member,
    service: SERVICE,
    spec: {
      kind: 'synapse',
      runtime: 'process',
      image: { reference: 'cell-2.180.0.cjs', digest: `sha256:${'a'.repeat(64)}` },
      command: [],
      environment: {},
      mounts: [],
      storage: `/srv/${member}`,
      storageTarget: `/srv/${member}`,
      networkMode: 'host',
      limits: {},
      ports: {},
      stopGraceMs: 1000,
      engineOptions: {},
    },
    run: isRetired ? 'retired' : 'running',
    role: topology.leader === member ? 'leader' : 'mirror',
    upstream: above === undefined ? undefined : { member: above, url: `tcp://${above}` },
    term: topology.term,
    mirrored: true,
    boot: 'wait',
    isolation: { onIsolation: 'keep', leaseMs: 5000 },
  };
}

/** The store's word; a host that is up takes it. */
export function order(fleet: LostFleet, name: string, intent: MemberIntent): void {
  const host = fleet.hosts[name];
  if (host === undefined) return;
  host.wanted = { ...host.wanted, generation: host.wanted.generation + 1, members: [intent] };
  if (host.isUp) take(host);
}

export function take(host: Host): void {
  host.taken = host.wanted;
  for (const { run, term, role } of host.taken.members) {
    if (run === 'retired') {
      host.retiredAt ??= term;
      host.runs = false;
    } else host.terms = Math.max(host.terms, term);
    host.leads = host.runs && role === 'leader';
  }
}

export function orderAll(fleet: LostFleet): void {
  for (const name of Object.keys(fleet.hosts))
    order(fleet, name, intentOf(fleet.topology, memberOn(name)));
}

export function promote(fleet: LostFleet, to: string): void {
  const { term } = fleet.topology;
  fleet.topology = handOver(fleet.topology, to, term + 1);
  const host = fleet.hosts[hostOf(to)];
  if (host !== undefined) host.promotedAt = term + 1;
  orderAll(fleet);
}

/** The old leader may run on behind a broken line, or be dead. */
export function failTo(fleet: LostFleet, to: string, oldRunsOn: boolean): void {
  const { term, leader } = fleet.topology;
  const old = fleet.hosts[hostOf(leader)];
  const target = fleet.hosts[hostOf(to)];
  if (old !== undefined && !old.isUp) {
    old.runs = oldRunsOn;
    old.leads = oldRunsOn;
  }
  fleet.topology = failOver(fleet.topology, to, {
    member: leader,
    term: term + 1,
    at: NOW,
    reason: 'failed over',
  });
  if (target !== undefined) target.promotedAt = term + 1;
  orderAll(fleet);
}

export function memoryOf(host: Host): Heard[string] {
  const member = memberOn(host.name);
  const memory: Memory = {
    order: host.taken,
    terms: { [SERVICE]: host.terms },
    promotions: host.promotedAt === 0 ? {} : { [member]: host.promotedAt },
    storages:
      host.retiredAt === undefined
        ? []
        : [
            {
              storage: `/srv/${member}`,
              member,
              retirement: { service: SERVICE, term: host.retiredAt, at: 5, reason: 'by order' },
            },
          ],
    openRequests: [],
  };
  return { memory, members: [factOf(host, member)] };
}

function factOf(host: Host, member: string): MemberFact {
  const upstream = host.taken.members[0]?.upstream?.url;
  return {
    member,
    service: SERVICE,
    seenAt: NOW,
    container: { state: host.runs ? 'running' : 'exited' },
    engine: host.runs
      ? { answered: true, active: host.leads, upstreamUrl: host.leads ? undefined : upstream }
      : { answered: false },
    storage: { markerTerm: host.terms, retiredAtTerm: host.retiredAt },
    term: host.terms,
    starts: 1,
    startsSinceRetired: 0,
    waits: [],
    refusals: [],
  };
}

export const emptyRebuild = (hosts: readonly string[]): RebuildState => ({
  startedAt: NOW,
  hosts,
  heard: [],
  gone: [],
  open: {},
  notes: [],
});

export const rebuilding = (rebuild: RebuildState): Snapshot => ({
  ...emptySnapshot,
  now: NOW,
  epoch: 100,
  rebuild,
});

export function applied(snapshot: Snapshot, changes: readonly Change[]): Snapshot {
  return changes.reduce((now, change): Snapshot => {
    switch (change.kind) {
      case 'service':
        return { ...now, services: { ...now.services, [change.name]: change.state } };
      case 'intent': {
        const { host: name } = change.intent;
        const host = {
          ...{ name, enrolled: true, revoked: false, connected: true, members: {}, findings: [] },
          ...now.hosts[name],
          intent: change.intent,
        };
        return { ...now, hosts: { ...now.hosts, [name]: host } };
      }
      case 'rebuild':
        return { ...now, rebuild: change.rebuild };
      default:
        return now;
    }
  }, snapshot);
}

/** One more host is heard; decided again until nothing changes, as the controller does. */
export function hear(snapshot: Snapshot, heard: Heard): Snapshot {
  let now = snapshot;
  for (let pass = 0; pass < 4; pass += 1) {
    const changes = rebuildChanges(now, heard, []);
    if (changes.length === 0) return now;
    now = applied(now, changes);
  }
  return now;
}

export function hearInTurn(
  fleet: LostFleet,
  names: readonly string[],
  first: Snapshot,
): { readonly snapshot: Snapshot; readonly heard: Heard } {
  let snapshot = first;
  let heard: Heard = {};
  for (const name of names) {
    const host = fleet.hosts[name];
    if (host === undefined) continue;
    heard = { ...heard, [name]: memoryOf(host) };
    snapshot = hear(snapshot, heard);
  }
  return { snapshot, heard };
}

export const permitsIn = ({ hosts, services }: Snapshot): readonly Permit[] =>
  Object.values(hosts).flatMap(({ intent }) => permitsFor(intent, services));
