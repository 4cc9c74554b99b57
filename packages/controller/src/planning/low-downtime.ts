// The low-downtime update's hand-over: an updated direct mirror takes over, so that the leader is updated as a mirror.
// Says who takes over, or why nobody can. Pure.
import { isAble } from '@leafward/shared/manifest/abilities.js';
import { downstreamsOf, subtreeOf } from '@leafward/shared/topology.js';
import type { Image } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { diagnose, evidenceOf } from './diagnose.js';
import { expectedMs, type DraftMove, type GateCheck } from './draft.js';
import { livingOf, memberOf, versionOf, type MemberAt, type ServiceAt } from './gather.js';
import { guardedSince, guardsItself } from './version-guard.js';
import { isOlder } from './versions.js';
import { evidence, listed, renderDuration, type Objection } from './words.js';

export interface LowDowntime {
  readonly check: GateCheck;
  /** Undefined: nobody can take over. */
  readonly handOver?: { readonly move: DraftMove; readonly to: MemberAt } | undefined;
}

/** All its mirrors have the image by then. */
export function planLowDowntime(snapshot: Snapshot, service: ServiceAt, image: Image): LowDowntime {
  const { name, topology } = service;
  const mirrors = directMirrors(service);
  const to = candidates(snapshot, service, mirrors)[0];
  const objections = objectToLowDowntime(snapshot, service, { image, mirrors, to });
  const check: GateCheck = {
    name: 'low downtime',
    passed: to === undefined ? '' : `${to.name} mirrors ${topology.leader} directly and is near it`,
    objections,
    evidence: to === undefined ? [] : evidenceOf(service, to, snapshot.now),
  };
  if (to === undefined || objections.length > 0) return { check };
  return {
    check,
    handOver: {
      to,
      move: {
        kind: 'hand-over',
        service: name,
        cause: `${topology.leader} is updated while ${to.name} leads`,
        expectedMs: expectedMs(snapshot, name, 'hand-over'),
        from: topology.leader,
        to: to.name,
        term: topology.term + 1,
        leavesOlder: true,
      },
    },
  };
}

export const directMirrors = (service: ServiceAt): readonly MemberAt[] =>
  downstreamsOf(service.topology, service.topology.leader).flatMap((name) => {
    const member = memberOf(service, name);
    return member?.intent?.run === 'running' ? [member] : [];
  });

/** Healthy ones; first the one with most replicating mirrors of its own, which go on without the old leader. */
function candidates(
  snapshot: Snapshot,
  service: ServiceAt,
  mirrors: readonly MemberAt[],
): readonly MemberAt[] {
  return mirrors
    .filter((member) => diagnose(service, member, snapshot.now).isHealthy)
    .sort(
      (a, b) =>
        subtreeOf(service.topology, b.name).length - subtreeOf(service.topology, a.name).length ||
        (a.name < b.name ? -1 : 1),
    );
}

function objectToLowDowntime(
  snapshot: Snapshot,
  service: ServiceAt,
  {
    image,
    mirrors,
    to,
  }: {
    readonly image: Image;
    readonly mirrors: readonly MemberAt[];
    readonly to?: MemberAt | undefined;
  },
): readonly Objection[] {
  const { leader, declaration, name } = service;
  const no = (code: string, message: string, facts: Objection['evidence'] = []): Objection => ({
    code,
    subject: name,
    message,
    unblock: `update it leafs first: leafward plan update ${name} --image ${image.reference} --strategy leafs-first`,
    evidence: facts,
  });
  if (mirrors.length === 0)
    return [
      no(
        'no-direct-mirror',
        `${name} has no mirror of ${service.topology.leader} itself that could take over`,
      ),
    ];
  if (!isAble('promote-gracefully', declaration))
    return [
      no(
        'no-low-downtime',
        `a ${declaration.kind} cannot pass leadership on while it runs, so nothing is won by it`,
      ),
    ];
  const runs = leader === undefined ? undefined : versionOf(leader);
  const isSame = runs !== undefined && image.version !== undefined && !isOlder(runs, image.version);
  if (!isSame && !guardsItself(declaration.kind, runs)) return [noGuard(service, runs, no)];
  if (to !== undefined) return [];
  return [
    no(
      'mirror-unhealthy',
      `none of ${listed(mirrors.map((member) => member.name))} is near enough to ${service.topology.leader} to take over`,
      mirrors.flatMap((member) => evidenceOf(service, member, snapshot.now)),
    ),
  ];
}

function noGuard(
  { declaration: { kind }, topology: { leader } }: ServiceAt,
  runs: string | undefined,
  no: (code: string, message: string, facts: Objection['evidence']) => Objection,
): Objection {
  const since = guardedSince(kind);
  return no(
    'no-version-guard',
    since === undefined
      ? `${leader} would mirror a newer leader until its own update, and it is not known that a ${kind} can (I3)`
      : `${leader} has version ${runs ?? 'not known'} and would mirror a newer leader until its own update; only from ${since} on it stops replicating by itself then (I3)`,
    [evidence(`version of ${leader}`, runs, since === undefined ? {} : { wanted: `≥ ${since}` })],
  );
}

/** What the plan says beside its moves. */
export function lowDowntimeWarnings(
  service: ServiceAt,
  to: MemberAt,
  withoutMirrorMs: number | undefined,
): readonly string[] {
  const { leader } = service.topology;
  const going = subtreeOf(service.topology, to.name);
  const still = livingOf(service)
    .map((member) => member.name)
    .filter((name) => ![leader, to.name, ...going].includes(name));
  const about =
    withoutMirrorMs === undefined
      ? 'how long is not known before it was done once'
      : `about ${renderDuration(withoutMirrorMs)}`;
  return [
    `from the hand-over until its own update ${leader} is older than ${to.name}, which it mirrors: it is read-only and does not replicate (the one exception to I3)`,
    ...(still.length === 0
      ? []
      : [
          `${listed(still)} ${still.length === 1 ? 'mirrors' : 'mirror'} ${leader} and ${still.length === 1 ? 'stands' : 'stand'} still with it`,
        ]),
    going.length === 0
      ? `no mirror replicates from the hand-over until ${leader} was updated and has caught up, ${about}: what ${to.name} acknowledges then is on ${to.name} alone`
      : `${listed(going)} ${going.length === 1 ? 'goes' : 'go'} on replicating from ${to.name} all the while`,
    `model migrations run on the leader only, so ${to.name} runs them when it takes over, and writes pause for them as well`,
    `${to.name} leads afterwards; to put ${leader} back: leafward plan promote ${service.name} --to ${leader}`,
  ];
}
