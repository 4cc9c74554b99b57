// The assertion after every planning: walks the moves in order and proves at each prefix what must hold. A
// failure is a bug of a planner, never of an operator, so it throws.
import { assert } from '@leafward/shared/assert.js';
import type { Image, Move, Plan } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { gatherService } from './gather.js';
import { isOlder } from './versions.js';

interface Simulated {
  leader: string;
  term: number;
  leaders: Map<number, string>;
  readonly upstreams: Map<string, string>;
  readonly images: Map<string, { readonly image: Image; readonly runs: string | undefined }>;
  readonly retired: Set<string>;
  fenced: string | undefined;
}

/** @throws AssertionError when a prefix of the moves breaks I1, I2, I3 or I5. */
export function assertPlanSafe(snapshot: Snapshot, plan: Plan): void {
  const services = new Map<string, Simulated>();
  const ids = new Set<string>();
  for (const move of plan.moves) {
    assert(!ids.has(move.id), `plan ${plan.id} has two moves ${move.id}`);
    ids.add(move.id);
    let service = services.get(move.service);
    if (service === undefined) {
      service = simulatedOf(snapshot, move);
      services.set(move.service, service);
    }
    const before = violations(service);
    apply(service, move, plan);
    for (const violation of violations(service))
      assert(
        before.has(violation),
        `plan ${plan.id}, move ${move.id}: ${violation} would be older than its upstream (I3)`,
      );
  }
}

function simulatedOf(snapshot: Snapshot, move: Move): Simulated {
  const service = gatherService(snapshot, move.service);
  const images = new Map<string, { image: Image; runs: string | undefined }>();
  for (const member of service?.members ?? [])
    if (member.intent !== undefined)
      images.set(member.name, {
        image: member.intent.spec.image,
        runs: member.fact?.engine.version ?? member.intent.spec.image.version,
      });
  const topology = service?.topology;
  const leader = topology?.leader ?? '';
  const term = topology?.term ?? 0;
  return {
    leader,
    term,
    leaders: new Map(topology === undefined ? [] : [[term, leader]]),
    upstreams: new Map(Object.entries(topology?.upstreams ?? {})),
    images,
    retired: new Set(topology?.retired.map((retirement) => retirement.member)),
    fenced: undefined,
  };
}

/** "mirror under upstream" pairs where the upstream is newer. */
function violations(service: Simulated): ReadonlySet<string> {
  const found = new Set<string>();
  for (const [mirror, upstream] of service.upstreams) {
    const below = service.images.get(mirror);
    const above = service.images.get(upstream);
    if (below === undefined || above === undefined) continue;
    if (isOlder(below.runs, above.runs)) found.add(`${mirror} under ${upstream}`);
  }
  return found;
}

function apply(service: Simulated, move: Move, plan: Plan): void {
  switch (move.kind) {
    case 'recreate': {
      const { image } = move.spec;
      const old = service.images.get(move.member);
      assert(!service.retired.has(move.member), `${move.member} is retired (I2)`);
      assert(
        !isOlder(image.version, old?.runs),
        `${move.member} would go down from ${old?.runs ?? ''} to ${image.version ?? ''} (I5)`,
      );
      if (old !== undefined && old.image.digest !== image.digest)
        for (const [mirror, upstream] of service.upstreams)
          assert(
            upstream !== move.member || isUpToDate(service, mirror, image),
            `plan ${plan.id}, move ${move.id}: ${mirror} below ${move.member} is not updated before it (I3)`,
          );
      service.images.set(move.member, { image, runs: image.version });
      return;
    }
    case 'place': {
      const { intent } = move;
      assert(!service.retired.has(intent.member), `${intent.member} is retired (I2)`);
      assert(intent.term >= service.term, `${intent.member} would get an older term (I11)`);
      service.images.set(intent.member, {
        image: intent.spec.image,
        runs: intent.spec.image.version,
      });
      if (intent.role === 'leader') lead(service, intent.member, intent.term);
      else if (intent.upstream !== undefined)
        service.upstreams.set(intent.member, intent.upstream.member);
      return;
    }
    case 'remove':
      assert(service.leader !== move.member, `${move.member} leads and would be removed`);
      assert(
        ![...service.upstreams.values()].includes(move.member),
        `${move.member} has mirrors and would be removed`,
      );
      service.upstreams.delete(move.member);
      service.images.delete(move.member);
      return;
    case 'hand-over':
      assert(
        service.upstreams.get(move.to) === service.leader,
        `${move.to} is no direct mirror (I1)`,
      );
      assert(move.from === service.leader, `${move.from} does not lead`);
      assert(move.term === service.term + 1, `term ${move.term} must follow ${service.term} (I1)`);
      service.upstreams.delete(move.to);
      service.upstreams.set(move.from, move.to);
      lead(service, move.to, move.term);
      return;
    case 'fence':
      assert(move.term > service.term, `term ${move.term} must follow ${service.term} (I1)`);
      service.fenced = move.member;
      return;
    case 'choose':
      assert(service.fenced === service.leader, 'choosing before the leader is fenced (I1)');
      return;
    case 'force-promote':
      assert(service.fenced === service.leader, 'promoting before the leader is fenced (I1)');
      service.retired.add(service.leader);
      return;
    default:
      return;
  }
}

function lead(service: Simulated, member: string, term: number): void {
  const other = service.leaders.get(term);
  assert(
    other === undefined || other === member,
    `${other ?? ''} and ${member} lead in term ${term} (I1)`,
  );
  service.leaders.set(term, member);
  service.leader = member;
  service.term = Math.max(term, service.term);
}

const isUpToDate = (service: Simulated, member: string, image: Image): boolean => {
  const has = service.images.get(member);
  if (has === undefined || has.image.digest === image.digest) return true;
  return has.runs !== undefined && image.version !== undefined && !isOlder(has.runs, image.version);
};
