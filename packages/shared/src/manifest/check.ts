// What no shape can say: who leads, who mirrors whom, what two members must not share. Pure; tells every problem
// with the path where it is written.
import { leaseOf, leastMarginMs } from '../lease.js';
import { checkAutomatic } from './check-automatic.js';
import { checkContainers } from './check-containers.js';
import { checkDuty } from './check-duty.js';
import { checkHttpsPorts, checkProvision } from './check-provision.js';
import { checkBackupPlaces, type Place } from './check-backups.js';
import { checkDatabase, checkStack } from './check-stack.js';
import type { Tell } from './complete.js';
import type { Path } from './locate.js';
import type { MemberDeclaration, ServiceDeclaration } from './types.js';
import { renderDuration } from './units.js';

export interface Known {
  readonly hosts: readonly string[];
  /** All service names, also of services whose own shape is wrong. */
  readonly services: readonly string[];
  /** Where a member's backup directory is written: with the member, or else with its service. */
  readonly backupPathOf: (place: Place) => Path;
}

export function checkServices(
  services: readonly ServiceDeclaration[],
  known: Known,
  tell: Tell,
): void {
  for (const service of services) {
    checkHosts(service, known, tell);
    if (service.shape === 'stack') checkStack(service, tell);
    else checkTree(service, tell);
    checkDatabase(service, known.services, tell);
    checkAfter(service, services, known, tell);
    checkLease(service, tell);
    checkAutomatic(service, tell);
    checkDuty(service, tell);
    checkRuntime(service, tell);
    checkProvision(service, services, tell);
    checkContainers(service, tell);
  }
  checkNames(services, tell);
  checkPlaces(services, known, tell);
}

const pathOf = (service: ServiceDeclaration, member: MemberDeclaration): string[] => [
  'services',
  service.name,
  'members',
  member.name,
];

function checkHosts(service: ServiceDeclaration, known: Known, tell: Tell): void {
  for (const member of service.members)
    if (!known.hosts.includes(member.host))
      tell(
        [...pathOf(service, member), 'host'],
        `there is no host ${member.host}; hosts are ${listed(known.hosts)}`,
      );
}

function checkTree(service: ServiceDeclaration, tell: Tell): void {
  const names = service.members.map((member) => member.name);
  const leaders = service.members.filter((member) => member.upstream === undefined);
  if (leaders.length === 0)
    tell(
      ['services', service.name, 'members'],
      'nobody leads: every member has an upstream; leave it out at one of them',
    );
  for (const other of leaders.slice(1))
    tell(
      pathOf(service, other),
      `two members would lead, ${leaders[0]?.name ?? ''} and ${other.name}: give one of them an upstream`,
    );
  for (const member of service.members) {
    const { upstream } = member;
    if (upstream === undefined) continue;
    const path = [...pathOf(service, member), 'upstream'];
    if (upstream === member.name) tell(path, 'a member cannot mirror itself');
    else if (!names.includes(upstream))
      tell(path, `there is no member ${upstream} in ${service.name}; members are ${listed(names)}`);
    else if (ringFrom(service, member.name)[0] === member.name)
      tell(path, `the upstreams form a ring: ${ringFrom(service, member.name).join(' → ')}`);
  }
  const needsUrl = service.members.find(
    (member) => member.url === '' && service.members.some((m) => m.upstream === member.name),
  );
  if (needsUrl !== undefined)
    tell(
      ['services', service.name, 'upstreamUrl'],
      `${needsUrl.name} has mirrors, so they must be told how to find it: for example "aha://{member}.<network>" or "tcp://{address}:{port.telepath}"`,
    );
}

/** The ring that this member is in, told once at the member that is first by name; else empty. */
function ringFrom(service: ServiceDeclaration, start: string): readonly string[] {
  const upstreams = new Map(service.members.map((member) => [member.name, member.upstream]));
  const ring = [start];
  for (let at = upstreams.get(start); at !== undefined; at = upstreams.get(at)) {
    if (at === start) return [...ring].sort()[0] === start ? [...ring, start] : [];
    if (ring.includes(at)) return [];
    ring.push(at);
  }
  return [];
}

function checkAfter(
  service: ServiceDeclaration,
  services: readonly ServiceDeclaration[],
  known: Known,
  tell: Tell,
): void {
  const after = new Map(services.map((other) => [other.name, other.after]));
  service.after.forEach((other, index) => {
    const path = ['services', service.name, 'after', index];
    // Told where it is written.
    if (other === service.provision?.service && !known.services.includes(other)) return;
    if (!known.services.includes(other)) {
      tell(path, `there is no service ${other}; services are ${listed(known.services)}`);
      return;
    }
    const way = wayTo(after, other, service.name);
    if (way !== undefined) tell(path, `services wait for each other: ${service.name} → ${way}`);
  });
}

function wayTo(
  after: ReadonlyMap<string, readonly string[]>,
  from: string,
  to: string,
): string | undefined {
  const seen = new Set<string>();
  const search = (at: string, way: readonly string[]): string | undefined => {
    if (at === to) return [...way, at].join(' → ');
    if (seen.has(at)) return undefined;
    seen.add(at);
    for (const next of after.get(at) ?? []) {
      const found = search(next, [...way, at]);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return search(from, []);
}

/** An agent with a leader renews its lease three times in it; more often than once a second is no longer at rest. */
const LEAST_LEASE_MS = 3000;
const LEAST_RENEW_MS = 500;
/** A takeover can begin only after lease + grace for stopping: more than this is no protection any more. */
const GRACE_PER_LEASE = 10;

/** Lease, renewal, grace and margin against each other: any of them alone may be right. */
function checkLease(service: ServiceDeclaration, tell: Tell): void {
  const { isolation } = service.failover;
  const { leaseMs, renewMs, graceMs, marginMs } = leaseOf(isolation, service.stopGraceMs);
  const own = (key: string, message: string): void =>
    tell(['services', service.name, 'failover', key], message);
  const isStopped = isolation.onIsolation === 'stop';
  if (leaseMs < LEAST_LEASE_MS)
    own(
      'lease',
      `a lease of ${renderDuration(leaseMs)} is too short for an agent to renew it in time: at least ${renderDuration(LEAST_LEASE_MS)}`,
    );
  else if (isStopped && graceMs > leaseMs * GRACE_PER_LEASE)
    own(
      'lease',
      `an isolated leader may take its stopGrace of ${renderDuration(graceMs)} to stop after a lease of ${renderDuration(leaseMs)}, and nobody may take over before: make stopGrace at most ${GRACE_PER_LEASE} leases, or failover.stopGrace shorter`,
    );
  if (isolation.renewMs !== undefined && (renewMs * 2 > leaseMs || renewMs < LEAST_RENEW_MS))
    own(
      'renew',
      `a lease of ${renderDuration(leaseMs)} must be renewed at least twice in it, and at most every ${renderDuration(LEAST_RENEW_MS)}: ${renderDuration(renewMs)} is not that`,
    );
  if (isolation.stopGraceMs !== undefined && graceMs > service.stopGraceMs)
    own(
      'stopGrace',
      `an isolated leader cannot have ${renderDuration(graceMs)} to stop when any other stop has ${renderDuration(service.stopGraceMs)} (stopGrace)`,
    );
  const leastMs = leastMarginMs({ leaseMs, graceMs });
  if (marginMs < leastMs)
    own(
      'clockMargin',
      `over a lease of ${renderDuration(leaseMs)} and a grace of ${renderDuration(graceMs)} two clocks may differ by ${leastMs}ms: ${marginMs}ms is too little`,
    );
  if (service.boot === 'autonomous' && isStopped)
    tell(
      ['services', service.name, 'boot'],
      'boot: autonomous would start at boot the leader that onIsolation: stop has stopped',
    );
}

function checkRuntime(service: ServiceDeclaration, tell: Tell): void {
  if (service.runtime !== 'process') return;
  const at = ['services', service.name];
  if (!service.image.startsWith('/'))
    tell([...at, 'image'], 'an image of the process runtime is an absolute path of one file');
  for (const member of service.members)
    if (member.command.length === 0)
      tell([...pathOf(service, member), 'command'], 'the process runtime needs a command');
}

function checkNames(services: readonly ServiceDeclaration[], tell: Tell): void {
  const owners = new Map<string, string>();
  for (const service of services)
    for (const member of service.members) {
      const owner = owners.get(member.name);
      if (owner === undefined) owners.set(member.name, service.name);
      else
        tell(
          pathOf(service, member),
          `${owner} has a member ${member.name} already; names are unique in a fleet`,
        );
    }
}

function checkPlaces(services: readonly ServiceDeclaration[], known: Known, tell: Tell): void {
  const byHost = new Map<string, Place[]>();
  for (const service of services)
    for (const member of service.members)
      byHost.set(member.host, [...(byHost.get(member.host) ?? []), { service, member }]);
  for (const places of byHost.values()) {
    checkStorages(places, tell);
    checkPorts(places, tell);
    checkHttpsPorts(places, tell);
  }
  checkBackupPlaces(byHost.values(), known.backupPathOf, tell);
}

/** Sorted by path, a directory's insides follow it: neighbours are enough, and the cost stays small. */
function checkStorages(places: readonly Place[], tell: Tell): void {
  const withSlash = (place: Place): string => `${place.member.storage}/`;
  const sorted = [...places].sort((a, b) => (withSlash(a) < withSlash(b) ? -1 : 1));
  let holder: Place | undefined;
  for (const place of sorted) {
    if (holder !== undefined && withSlash(place).startsWith(withSlash(holder)))
      tell(
        [...pathOf(place.service, place.member), 'storage'],
        place.member.storage === holder.member.storage
          ? `${holder.member.name} has the storage ${place.member.storage} on ${place.member.host} already (I9)`
          : `${place.member.storage} lies inside the storage of ${holder.member.name} on ${place.member.host} (I9)`,
      );
    else holder = place;
  }
}

function checkPorts(places: readonly Place[], tell: Tell): void {
  const owners = new Map<number, string>();
  for (const { service, member } of places) {
    if (service.networkMode !== 'host' && service.runtime !== 'process') continue;
    for (const [name, port] of Object.entries(member.ports)) {
      const owner = owners.get(port);
      if (owner !== undefined)
        tell(
          [...pathOf(service, member), 'ports', name],
          `port ${port} of ${member.host} is ${owner} already`,
        );
      else owners.set(port, `${member.name}'s ${name}`);
    }
  }
}

const listed = (names: readonly string[]): string =>
  names.length === 0 ? 'none yet' : [...names].sort().join(', ');
