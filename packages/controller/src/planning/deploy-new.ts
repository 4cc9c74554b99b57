// The first creation of a service: the image everywhere, the leader, then its mirrors from the top, each one when
// the one before is ready, since a mirror's first start copies from its upstream. Pure.
import type { ContainerLook, Image } from '@leafward/shared/gen/domain.js';
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
import { adoptedImage, adoptionGate, adoptionWarnings, takenOver, type Looks } from './adopt.js';
import { intentOf, specOf } from './intents.js';
import type { Images } from './plan-deploy.js';
import { provisionGate } from './provisioning.js';
import { pullMove } from './pull-move.js';
import { objectToOthers } from './safety.js';
import { secretsGate, offsiteVariables, secretVariables } from './secrets.js';
import { firstTopology } from './topology-of.js';
import { evidence, type Objection } from './words.js';

export function planNewService(
  snapshot: Snapshot,
  declaration: ServiceDeclaration,
  images: Images,
  looks: Looks = {},
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
    ...adoptionGate(declaration, members, looks, images),
    ...secretsGate(snapshot, declaration),
    ...provisionGate(snapshot, declaration, members),
  ]);
  if (image === undefined) return { ...emptyDraft, services: [name], ...draft };
  const pulling = members.filter(({ container }) => container === undefined);
  const hosts = pulling.map(({ host }) => host);
  const places = inOrder(declaration).map((member) =>
    placeMove(snapshot, { declaration, topology, member, image, look: looks[member.name] }),
  );
  return {
    ...emptyDraft,
    services: [name],
    ...draft,
    moves: [
      ...(hosts.length === 0 ? [] : [pullMove(snapshot, { name, declaration }, hosts, image)]),
      ...places,
    ],
    warnings: adoptionWarnings(places, looks),
  };
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
    /** Of the container that it takes over. */
    readonly look?: ContainerLook | undefined;
  },
): DraftMove {
  const { declaration, topology, member, look } = input;
  const { container } = member;
  const image = look === undefined ? input.image : adoptedImage(declaration, look);
  const upstream = topology.upstreams[member.name];
  const spec = specOf(declaration, member, image, secretVariables(snapshot, member));
  const offsite = offsiteVariables(snapshot, declaration);
  const intent = intentOf(declaration, topology, member.name, spec, offsite);
  const isNew = container === undefined;
  return {
    kind: 'place',
    service: declaration.name,
    cause: `${isNew ? 'new' : `takes over container ${container} as it runs`}, ${placedAs(declaration, upstream)}`,
    expectedMs: isNew ? expectedMs(snapshot, declaration.name, 'place') : undefined,
    host: member.host,
    intent: isNew ? intent : takenOver(intent, container),
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
