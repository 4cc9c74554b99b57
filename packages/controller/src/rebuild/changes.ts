// What is committed when a host has said what it remembers: its order, services that are known whole now, and what the
// others still wait for. Pure: the same evidence gives the same changes, whoever was heard first.
import { canonicalJson } from '@leafward/shared/spec-digest.js';
import type { Change } from '../changes.js';
import type { HostedIntent } from '../planning/intents.js';
import { rebuildService, wantedIntent } from '../planning/rebuild.js';
import { sightingsOf, type ServiceEvidence } from '../planning/rebuild-evidence.js';
import { joinLate } from '../planning/rebuild-late.js';
import type { StoredSecret } from '../secrets/seal.js';
import type { RebuildState, ServiceState, Snapshot } from '../snapshot.js';
import { isGone, ordersAfter, secretNames, withOrders, type Heard, type Hosts } from './orders.js';

export const MAX_NOTES = 200;

export function rebuildChanges(
  snapshot: Snapshot,
  heard: Heard,
  secrets: readonly StoredSecret[],
): readonly Change[] {
  const { rebuild } = snapshot;
  if (rebuild === undefined) return [];
  const hosts = withOrders(snapshot, rebuild, heard);
  const found = serviceNames(snapshot, hosts).map((name) =>
    ofService(snapshot, rebuild, hosts, name),
  );
  const next = nextState(snapshot, rebuild, Object.keys(heard), found);
  const isNew = canonicalJson(next) !== canonicalJson(rebuild);
  return [
    ...found.flatMap(({ name, state }): readonly Change[] =>
      state === undefined ? [] : [{ kind: 'service', name, state }],
    ),
    ...ordersAfter(snapshot, rebuild, hosts, {
      intents: found.flatMap(({ intents }) => intents),
      contested: found.flatMap(({ contested }) => contested),
    }),
    ...secretNames(snapshot, hosts, secrets),
    ...(isNew ? [{ kind: 'rebuild', rebuild: next } as const] : []),
  ];
}

function serviceNames({ manifest }: Snapshot, hosts: Hosts): readonly string[] {
  const ordered = Object.values(hosts).flatMap(({ order }) => order?.members ?? []);
  const names = [
    ...(manifest?.services.map(({ name }) => name) ?? []),
    ...ordered.map(({ service }) => service),
  ];
  return [...new Set(names)].sort();
}

interface Found {
  readonly name: string;
  readonly state?: ServiceState | undefined;
  readonly intents: readonly HostedIntent[];
  readonly problems: RebuildState['open'][string];
  readonly notes: readonly string[];
  /** Hosts whose order contradicts what was rebuilt: it is not taken over. */
  readonly contested: readonly string[];
}

function ofService(snapshot: Snapshot, rebuild: RebuildState, hosts: Hosts, name: string): Found {
  const nothing: Found = { name, intents: [], problems: [], notes: [], contested: [] };
  const known = snapshot.services[name];
  if (known !== undefined) return { ...nothing, ...joinedBy(snapshot, rebuild, hosts, known) };
  const rebuilt = rebuildService(evidenceOf(snapshot, rebuild, hosts, name));
  if (rebuilt.kind === 'absent') return nothing;
  return rebuilt.kind === 'open'
    ? { ...nothing, problems: rebuilt.problems }
    : { ...nothing, ...rebuilt };
}

function evidenceOf(
  { manifest, now }: Snapshot,
  rebuild: RebuildState,
  hosts: Hosts,
  service: string,
): ServiceEvidence {
  const declared = manifest?.services.find(({ name }) => name === service);
  const isOfOthers = (host: string): boolean =>
    declared !== undefined &&
    manifest?.hosts.some(({ name }) => name === host) === true &&
    !declared.members.some((member) => member.host === host);
  const counted = (host: string): boolean => !isGone(rebuild, host);
  return {
    service,
    declared,
    hosts: Object.fromEntries(Object.entries(hosts).filter(([host]) => counted(host))),
    missing: rebuild.hosts.filter((host) => !(host in hosts) && counted(host) && !isOfOthers(host)),
    gone: rebuild.gone.map(({ host }) => host),
    hostsKnown: rebuild.hosts.length > 0,
    now,
  };
}

/** Hosts whose members the tree does not have yet, one after the other. */
function joinedBy(
  snapshot: Snapshot,
  rebuild: RebuildState,
  hosts: Hosts,
  known: ServiceState,
): Partial<Found> {
  const { service } = known.topology;
  let state = known;
  const contested: string[] = [];
  const problems: Found['problems'][number][] = [];
  const own = new Map<string, HostedIntent>();
  for (const host of Object.keys(hosts).sort()) {
    const heard = hosts[host];
    if (heard?.order === undefined || heard.order === snapshot.hosts[host]?.intent) continue;
    const late = joinLate(state, sightingsOf({ service, hosts: { [host]: heard } }), {
      wasGone: isGone(rebuild, host),
      elsewhere: membersElsewhere(snapshot, host, service),
      now: snapshot.now,
    });
    state = late.state;
    problems.push(...late.problems);
    if (late.problems.length > 0) contested.push(host);
    for (const one of late.intents) own.set(`${host}/${one.intent.member}`, one);
  }
  if (own.size === 0) return { problems, contested };
  // A new term is everybody's.
  const others = ordersOf(snapshot, service)
    .filter(({ host, intent }) => !own.has(`${host}/${intent.member}`))
    .map(({ host, intent }) => ({
      host,
      intent: wantedIntent(state.declaration, state.topology, intent),
    }));
  return { state, intents: [...own.values(), ...others], problems, contested };
}

const ordersOf = (snapshot: Snapshot, service: string): readonly HostedIntent[] =>
  Object.values(snapshot.hosts).flatMap(({ name: host, intent }) =>
    (intent?.members ?? [])
      .filter((one) => one.service === service && one.run !== 'removed')
      .map((one) => ({ host, intent: one })),
  );

const membersElsewhere = (snapshot: Snapshot, here: string, service: string): ReadonlySet<string> =>
  new Set(
    ordersOf(snapshot, service)
      .filter(({ host }) => host !== here)
      .map(({ intent }) => intent.member),
  );

function nextState(
  { now }: Snapshot,
  before: RebuildState,
  heardNow: readonly string[],
  found: readonly Found[],
): RebuildState {
  const heard = [...new Set([...before.heard, ...heardNow])].sort();
  const open = Object.fromEntries(
    found
      .filter(({ problems }) => problems.length > 0)
      .map(({ name, problems }) => [name, problems]),
  );
  const notes = [...new Set([...before.notes, ...found.flatMap((one) => one.notes)])];
  const missing = before.hosts.filter((host) => !heard.includes(host) && !isGone(before, host));
  // Nobody named, or nobody heard: nothing is known of anything.
  const isKnown = before.hosts.length > 0 && heard.length > 0;
  const isOver = isKnown && Object.keys(open).length === 0 && missing.length === 0;
  return {
    ...before,
    heard,
    open,
    notes: notes.slice(-MAX_NOTES),
    endedAt: isOver ? (before.endedAt ?? now) : before.endedAt,
  };
}
