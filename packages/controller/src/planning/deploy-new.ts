// The first creation of a service: the image everywhere, the leader, then its mirrors from the top, each one when
// the one before is ready, since a mirror's first start copies from its upstream. Pure.
import type { Image } from '@leafward/shared/gen/domain.js';
import type { MemberDeclaration, ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { Topology } from '@leafward/shared/topology.js';
import type { Snapshot } from '../snapshot.js';
import {
  emptyDraft,
  expectedMs,
  judge,
  type Draft,
  type DraftMove,
  type GateCheck,
} from './draft.js';
import { intentOf, specOf } from './intents.js';
import type { Images } from './plan-deploy.js';
import { pullMove } from './pull-move.js';
import { objectToOthers } from './safety.js';
import { secretsGate, offsiteVariables, secretVariables } from './secrets.js';
import { evidence, type Objection } from './words.js';

export function planNewService(
  snapshot: Snapshot,
  declaration: ServiceDeclaration,
  images: Images,
): Draft {
  const { name, members } = declaration;
  const image = images[declaration.image];
  const topology = firstTopology(declaration);
  const draft = judge([
    {
      name: 'alone',
      passed: `no other operation is going on on ${name}`,
      objections: objectToOthers(snapshot, name, undefined),
    },
    hostsGate(
      snapshot,
      name,
      members.map((member) => member.host),
    ),
    imageGate(name, declaration.image, image),
    ...secretsGate(snapshot, declaration),
  ]);
  if (image === undefined) return { ...emptyDraft, services: [name], ...draft };
  return {
    ...emptyDraft,
    services: [name],
    ...draft,
    moves: [
      pullMove(
        snapshot,
        { name, declaration },
        members.map((member) => member.host),
        image,
      ),
      ...inOrder(declaration).map((member) =>
        placeMove(snapshot, { declaration, topology, member, image }),
      ),
    ],
  };
}

export function firstTopology(declaration: ServiceDeclaration): Topology {
  const upstreams: Record<string, string> = {};
  for (const { name, upstream } of declaration.members)
    if (upstream !== undefined) upstreams[name] = upstream;
  const leader = declaration.members.find((member) => member.upstream === undefined);
  return { service: declaration.name, term: 1, leader: leader?.name ?? '', upstreams, retired: [] };
}

/** Each one after its upstream; the workers of a stack as they are written. */
function inOrder({ members, shape }: ServiceDeclaration): readonly MemberDeclaration[] {
  const depth = (member: MemberDeclaration): number => {
    const above = members.find((other) => other.name === member.upstream);
    return above === undefined ? 0 : depth(above) + 1;
  };
  return [...members].sort(
    (a, b) => depth(a) - depth(b) || (shape === 'stack' ? 0 : a.name.localeCompare(b.name)),
  );
}

export function placeMove(
  snapshot: Snapshot,
  input: {
    readonly declaration: ServiceDeclaration;
    readonly topology: Topology;
    readonly member: MemberDeclaration;
    readonly image: Image;
  },
): DraftMove {
  const { declaration, topology, member, image } = input;
  const upstream = topology.upstreams[member.name];
  const spec = specOf(declaration, member, image, secretVariables(snapshot, member));
  return {
    kind: 'place',
    service: declaration.name,
    cause: `new, ${placedAs(declaration, upstream)}`,
    expectedMs: expectedMs(snapshot, declaration.name, 'place'),
    host: member.host,
    intent: intentOf(
      declaration,
      topology,
      member.name,
      spec,
      offsiteVariables(snapshot, declaration),
    ),
  };
}

function placedAs({ name, shape }: ServiceDeclaration, upstream: string | undefined): string {
  if (shape === 'stack')
    return upstream === undefined ? `the main process of ${name}` : `a worker behind ${upstream}`;
  return upstream === undefined ? `leads ${name}` : `mirrors ${upstream}`;
}

export function hostsGate(
  snapshot: Snapshot,
  service: string,
  hosts: readonly string[],
): GateCheck {
  const unique = [...new Set(hosts)].sort();
  return {
    name: 'hosts',
    passed: `the hosts of ${service} are enrolled and connected`,
    objections: unique.flatMap((host): readonly Objection[] => {
      const state = snapshot.hosts[host];
      if (state?.enrolled !== true || state.revoked)
        return [
          {
            code: 'host-not-enrolled',
            subject: host,
            message: `host ${host} is ${state?.revoked === true ? 'revoked' : 'not enrolled'}`,
            unblock: `invite it: leafward host invite ${host}`,
            evidence: [],
          },
        ];
      if (state.connected) return [];
      return [
        {
          code: 'host-silent',
          subject: host,
          message: `the agent of host ${host} is not connected`,
          unblock: `start leafward-agent on ${host}; look at it with: leafward why ${host}`,
          evidence: [evidence('connected', false, { wanted: 'true', seenAt: state.lastSeenAt })],
        },
      ];
    }),
  };
}

export function imageGate(service: string, reference: string, image: Image | undefined): GateCheck {
  return {
    name: 'image',
    passed: `${reference} is ${image?.digest ?? ''}`,
    objections:
      image === undefined
        ? [
            {
              code: 'image-unknown',
              subject: service,
              message: `what ${reference} means is not known: no host could resolve it`,
              unblock: `connect a host of ${service} and plan again`,
              evidence: [],
            },
          ]
        : [],
  };
}
