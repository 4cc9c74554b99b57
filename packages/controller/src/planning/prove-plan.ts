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
  isChosen: boolean;
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
    isChosen: false,
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
    case 'recreate':
      recreate(service, move, plan);
      return;
    case 'place':
      place(service, move);
      return;
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
      assert(move.term === service.term + 1, `term ${move.term} must follow ${service.term} (I1)`);
      service.fenced = move.member;
      return;
    case 'choose':
      assert(service.fenced === service.leader, 'choosing before the leader is fenced (I1)');
      service.isChosen = true;
      return;
    case 'force-promote':
      assert(service.fenced === service.leader, 'promoting before the leader is fenced (I1)');
      assert(service.isChosen, 'promoting before anybody was chosen (I1)');
      assert(move.term === service.term + 1, `term ${move.term} must follow ${service.term} (I1)`);
      service.retired.add(service.leader);
      lead(service, 'the chosen one', move.term);
      return;
    default:
      return;
  }
}

function recreate(service: Simulated, move: Extract<Move, { kind: 'recreate' }>, plan: Plan): void {
  const { image } = move.spec;
  const old = service.images.get(move.member);
  assert(!service.retired.has(move.member), `${move.member} is retired (I2)`);
  assertNoDowngrade(service, move.member, image);
  if (old !== undefined && old.image.digest !== image.digest)
    for (const [mirror, upstream] of service.upstreams)
      assert(
        upstream !== move.member || isUpToDate(service, mirror, image),
        `plan ${plan.id}, move ${move.id}: ${mirror} below ${move.member} is not updated before it (I3)`,
      );
  service.images.set(move.member, { image, runs: image.version });
}

function place(service: Simulated, { intent }: Extract<Move, { kind: 'place' }>): void {
  const { member, role, term, upstream } = intent;
  const { image } = intent.spec;
  assert(!service.retired.has(member), `${member} is retired (I2)`);
  assert(term >= service.term, `${member} would get an older term (I11)`);
  assertNoDowngrade(service, member, image);
  // Leadership moves by a hand-over or behind a fence, never by being placed, in whatever term.
  assert(
    role !== 'leader' || ['', member].includes(service.leader),
    `${member} would lead beside ${service.leader} (I1)`,
  );
  if (service.images.get(member)?.image.digest !== image.digest)
    service.images.set(member, { image, runs: image.version });
  if (role === 'leader') lead(service, member, term);
  else if (upstream !== undefined) service.upstreams.set(member, upstream.member);
}

/** The same image is no step down, whatever its label says beside what the program says of itself. */
function assertNoDowngrade(service: Simulated, member: string, image: Image): void {
  const old = service.images.get(member);
  assert(
    old?.image.digest === image.digest || !isOlder(image.version, old?.runs),
    `${member} would go down from ${old?.runs ?? ''} to ${image.version ?? ''} (I5)`,
  );
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
