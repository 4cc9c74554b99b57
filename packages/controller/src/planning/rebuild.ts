// A service of a lost store, put together from what its hosts remember: the newest term wins, a retired member stays
// retired, nobody is told to run who was not. Pure; the order in which hosts were heard makes no difference. As long
// as evidence is missing or contradicts itself the service stays open, with the reasons.
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import { canonicalJson } from '@leafward/shared/spec-digest.js';
import type { Retirement, Topology } from '@leafward/shared/topology.js';
import type { ServiceState } from '../snapshot.js';
import { urlOf } from './gather.js';
import { intentOf, specOf, type HostedIntent } from './intents.js';
import { declarationFrom } from './rebuild-declaration.js';
import {
  followsNow,
  sightingsOf,
  type ServiceEvidence,
  type Sighting,
} from './rebuild-evidence.js';
import { lineOf, type Line } from './rebuild-line.js';
import { listed, type Objection } from './words.js';

export type Rebuilt =
  /** No host has an order of it: it was never deployed. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'open'; readonly problems: readonly Objection[] }
  | {
      readonly kind: 'rebuilt';
      readonly state: ServiceState;
      /** Only those that differ from what the hosts have. */
      readonly intents: readonly HostedIntent[];
      readonly notes: readonly string[];
    };

export function rebuildService(evidence: ServiceEvidence): Rebuilt {
  const sightings = sightingsOf(evidence);
  const unheard = unheardHosts(evidence);
  if (unheard.length === 0 && sightings.length === 0) return { kind: 'absent' };
  const problems = [
    ...unheard,
    ...seenTwice(evidence, sightings),
    ...elsewhere(evidence, sightings),
  ];
  if (problems.length > 0) return { kind: 'open', problems };
  const line = lineOf(evidence, sightings);
  if (line.kind === 'open') return line;
  const topology = topologyOf(evidence, sightings, line);
  const declaration = evidence.declared ?? declarationFrom(evidence.service, topology, sightings);
  return {
    kind: 'rebuilt',
    state: { declaration, topology },
    intents: [
      ...sightings.flatMap((sighting) => intentAfter(declaration, topology, sighting)),
      ...unseenLeader(declaration, topology, sightings),
    ],
    notes: [
      ...line.notes,
      ...unknownPolicies(evidence),
      ...newlyRetired(topology, sightings),
      ...unfinished(evidence, sightings),
    ],
  };
}

function unheardHosts({ service, missing, hostsKnown }: ServiceEvidence): readonly Objection[] {
  if (!hostsKnown)
    return [
      {
        code: 'hosts-unknown',
        subject: service,
        message: `which hosts there are is not known: any that was not heard could hold the leader of ${service}`,
        unblock:
          'name them: leafward-controller rebuild --manifest fleet.yaml, or --host NAME for each',
        evidence: [],
      },
    ];
  if (missing.length === 0) return [];
  return [
    {
      code: 'hosts-unheard',
      subject: service,
      message: `${listed(missing)} ${missing.length === 1 ? 'was' : 'were'} not heard yet and could hold the leader of ${service}`,
      unblock:
        'bring them up, it goes on by itself; one that is lost for good: leafward-controller rebuild --gone HOST --reason "why"',
      evidence: [],
    },
  ];
}

function seenTwice(
  { service }: ServiceEvidence,
  sightings: readonly Sighting[],
): readonly Objection[] {
  const names = new Set(sightings.map(({ member }) => member));
  return [...names].flatMap((name) => {
    const hosts = sightings.filter(({ member }) => member === name).map(({ host }) => host);
    if (hosts.length === 1) return [];
    return [
      {
        code: 'seen-twice',
        subject: service,
        message: `${listed(hosts)} both have an order for ${name}`,
        unblock: 'give up the host whose order is the old one: --gone HOST --reason "why"',
        evidence: [],
      },
    ];
  });
}

function elsewhere(
  { service, declared }: ServiceEvidence,
  sightings: readonly Sighting[],
): readonly Objection[] {
  return sightings.flatMap(({ member, host }) => {
    const meant = declared?.members.find(({ name }) => name === member)?.host;
    if (meant === undefined || meant === host) return [];
    return [
      {
        code: 'manifest-differs',
        subject: service,
        message: `the manifest has ${member} on ${meant}, and ${host} has the order for it`,
        unblock: 'correct the manifest to what runs, and say rebuild again with it',
        evidence: [],
      },
    ];
  });
}

function topologyOf(
  { service, now }: ServiceEvidence,
  sightings: readonly Sighting[],
  { leader, term }: Line,
): Topology {
  const others = sightings.filter(({ member }) => member !== leader);
  const retired = others.flatMap((sighting) => retiredIn(sighting, leader, term, now));
  const isOut = new Set(retired.map(({ member }) => member));
  const living = others.filter(({ member }) => !isOut.has(member));
  const wanted = new Map(
    living.map(({ member, intent }) => [member, intent.upstream?.member ?? leader] as const),
  );
  const upstreams = living.map(({ member }) => [
    member,
    reaches(wanted, member, leader) ? (wanted.get(member) ?? leader) : leader,
  ]);
  return {
    service,
    term,
    leader,
    upstreams: Object.fromEntries(upstreams) as Topology['upstreams'],
    retired: [...retired].sort((a, b) => a.term - b.term || (a.member < b.member ? -1 : 1)),
  };
}

/** Up from one to the next without a ring; else what it mirrors is gone, and it follows the leader. */
function reaches(wanted: ReadonlyMap<string, string>, member: string, leader: string): boolean {
  const passed = new Set<string>();
  for (let at: string | undefined = member; at !== leader; at = wanted.get(at)) {
    if (at === undefined || passed.has(at)) return false;
    passed.add(at);
  }
  return true;
}

/** By what is known of it; or it led, in an older term, and nothing proves that it has passed that on (I1). */
function retiredIn(
  sighting: Sighting,
  leader: string,
  term: number,
  now: number,
): readonly Retirement[] {
  const { member, intent, retirement } = sighting;
  if (retirement !== undefined)
    return [{ member, term: retirement.term, at: retirement.at ?? now, reason: retirement.reason }];
  const hasPassedOn = intent.role !== 'leader' || followsNow(sighting);
  if (hasPassedOn) return [];
  const reason = `it led in term ${intent.term}; ${leader} leads in term ${term}, which its host did not learn`;
  return [{ member, term, at: now, reason }];
}

/** Nobody is told to run who was not: all that changes is who follows whom, terms, and who is retired. */
function intentAfter(
  declaration: ServiceDeclaration,
  topology: Topology,
  { host, intent: old }: Sighting,
): readonly HostedIntent[] {
  const next = wantedIntent(declaration, topology, old);
  return canonicalJson(next) === canonicalJson(old) ? [] : [{ host, intent: next }];
}

export function wantedIntent(
  declaration: ServiceDeclaration,
  topology: Topology,
  old: MemberIntent,
): MemberIntent {
  const { leader, term, upstreams, retired } = topology;
  const follow = (member: string): MemberIntent['upstream'] =>
    old.upstream?.member === member ? old.upstream : { member, url: urlOf(declaration, member) };
  const isFenced = old.run === 'retired';
  if (old.member === leader)
    return isFenced ? old : { ...old, role: 'leader', upstream: undefined, term };
  if (retired.some(({ member }) => member === old.member))
    return isFenced
      ? old
      : {
          ...old,
          run: 'retired',
          role: 'mirror',
          upstream: follow(leader),
          term: Math.max(term, old.term),
        };
  const role = old.role === 'leader' ? 'mirror' : old.role;
  return { ...old, role, upstream: follow(upstreams[old.member] ?? leader), term };
}

/** So that it can be fenced and failed over although its host is given up; its own agent would get another order. */
function unseenLeader(
  declaration: ServiceDeclaration,
  topology: Topology,
  sightings: readonly Sighting[],
): readonly HostedIntent[] {
  if (sightings.some(({ member }) => member === topology.leader)) return [];
  const declared = declaration.members.find(({ name }) => name === topology.leader);
  const [other] = sightings;
  if (declared === undefined || other === undefined) return [];
  const { image, secretEnvironment } = other.intent.spec;
  const spec = specOf(declaration, declared, image, secretEnvironment);
  return [{ host: declared.host, intent: intentOf(declaration, topology, topology.leader, spec) }];
}

const unknownPolicies = ({ service, declared }: ServiceEvidence): readonly string[] =>
  declared === undefined
    ? [
        `${service} is in no manifest here: its policies are the defaults and its failover is manual until it is deployed again`,
      ]
    : [];

const newlyRetired = (topology: Topology, sightings: readonly Sighting[]): readonly string[] =>
  topology.retired
    .filter(({ member }) =>
      sightings.some((sighting) => sighting.member === member && sighting.retirement === undefined),
    )
    .map(({ member, reason }) => `${member} is retired from now on: ${reason}`);

const unfinished = (
  { hosts }: ServiceEvidence,
  sightings: readonly Sighting[],
): readonly string[] =>
  sightings.flatMap(({ member, host, intent }) => {
    const filling = hosts[host]?.memory.storages.find(
      ({ storage }) => storage === intent.spec.storage,
    )?.filling;
    return filling === undefined
      ? []
      : [`${member} is being filled anew (${filling}); its agent goes on with that by itself`];
  });
