// A host that is heard after its services were rebuilt without it: its members join the tree as it is now. Pure. One
// whose host was given up, or that led in an older term, is retired: it never leads again from there (I1, I2).
import type { Topology } from '@leafward/shared/topology.js';
import type { ServiceState } from '../snapshot.js';
import type { HostedIntent } from './intents.js';
import { wantedIntent } from './rebuild.js';
import { followsNow, type Sighting } from './rebuild-evidence.js';
import type { Objection } from './words.js';

export interface Late {
  readonly state: ServiceState;
  /** Of this host's members. */
  readonly intents: readonly HostedIntent[];
  readonly problems: readonly Objection[];
}

export interface LateHost {
  /** The operator had given it up. */
  readonly wasGone: boolean;
  /** Members that another host has an order for. */
  readonly elsewhere: ReadonlySet<string>;
  readonly now: number;
}

export function joinLate(
  state: ServiceState,
  sightings: readonly Sighting[],
  { wasGone, elsewhere, now }: LateHost,
): Late {
  const twice = sightings.filter(({ member }) => elsewhere.has(member));
  if (twice.length > 0 && !wasGone)
    return { state, intents: [], problems: twice.map((one) => isElsewhere(state, one)) };
  const newer = sightings.filter(({ intent }) => intent.term > state.topology.term);
  if (newer.length > 0 && !wasGone)
    return { state, intents: [], problems: newer.map((one) => ledSince(state, one)) };
  const topology = sightings.reduce(
    (tree, sighting) =>
      elsewhere.has(sighting.member) ? tree : joined(tree, sighting, wasGone, now),
    // Whatever it has lived in is over: the leader goes on in a term above that.
    { ...state.topology, term: termAbove(state.topology, sightings) },
  );
  const intents = sightings.map(({ host, intent: old }): HostedIntent => {
    const intent = wantedIntent(state.declaration, topology, old);
    // The same name lives on another host.
    return { host, intent: elsewhere.has(old.member) ? { ...intent, run: 'retired' } : intent };
  });
  return { state: { ...state, topology }, intents, problems: [] };
}

const termAbove = ({ term }: Topology, sightings: readonly Sighting[]): number =>
  sightings.reduce(
    (above, { intent, promotedAt }) =>
      Math.max(intent.term, promotedAt) > term
        ? Math.max(above, intent.term + 1, promotedAt + 1)
        : above,
    term,
  );

function joined(tree: Topology, sighting: Sighting, wasGone: boolean, now: number): Topology {
  const { member, intent, retirement } = sighting;
  const isKnown = tree.retired.some((one) => one.member === member);
  if (member === tree.leader || isKnown) return tree;
  const hasLed = intent.role === 'leader' && !followsNow(sighting);
  if (retirement === undefined && !wasGone && !hasLed) {
    const above = intent.upstream?.member ?? tree.leader;
    const upstream = above === tree.leader || above in tree.upstreams ? above : tree.leader;
    const known = tree.upstreams[member];
    return { ...tree, upstreams: { ...tree.upstreams, [member]: known ?? upstream } };
  }
  const { [member]: _, ...others } = tree.upstreams;
  const upstreams = Object.entries(others).map(([name, upstream]) => [
    name,
    upstream === member ? tree.leader : upstream,
  ]);
  const reason = wasGone
    ? 'its host had been given up when the store was rebuilt'
    : `it led in term ${intent.term}, and ${tree.leader} leads in term ${tree.term}`;
  return {
    ...tree,
    upstreams: Object.fromEntries(upstreams) as Topology['upstreams'],
    retired: [
      ...tree.retired,
      {
        member,
        term: retirement?.term ?? tree.term,
        at: retirement?.at ?? now,
        reason: retirement?.reason ?? reason,
      },
    ],
  };
}

const isElsewhere = ({ topology }: ServiceState, { member, host }: Sighting): Objection => ({
  code: 'seen-twice',
  subject: topology.service,
  message: `${host} has an order for ${member}, which is on another host by now`,
  unblock: `if the one on ${host} is the old one: leafward-controller rebuild --gone ${host} --reason "why"`,
  evidence: [],
});

const ledSince = ({ topology }: ServiceState, { member, host, intent }: Sighting): Objection => ({
  code: 'newer-term',
  subject: topology.service,
  message: `${member} on ${host}, which nobody had named, has an order of term ${intent.term}; ${topology.leader} was taken for the leader in term ${topology.term} and gets no permit`,
  unblock: `decide whose data counts: leafward-controller rebuild --gone ${host} --reason "why" keeps ${topology.leader}; to begin once more with every host named: rebuild --set-aside`,
  evidence: [],
});
