// The assertion after every planning: walks the moves in order and proves at each prefix what must hold. A
// failure is a bug of a planner, never of an operator, so it throws.
import { assert } from '@leafward/shared/assert.js';
import type { Image, Move, Plan } from '@leafward/shared/gen/domain.js';
import { isAble } from '@leafward/shared/manifest/abilities.js';
import type { ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { Topology } from '@leafward/shared/topology.js';
import type { Snapshot } from '../snapshot.js';
import { gatherService } from './gather.js';
import { restoredTo } from './tree.js';
import { guardsItself } from './version-guard.js';
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
  readonly isStack: boolean;
  /** By this plan, or before it. */
  readonly stopped: Set<string>;
  /** Stopped by this plan and not started again yet. */
  readonly halted: Set<string>;
  /** Undefined: never placed, so its kind is not known here. */
  readonly declaration: ServiceDeclaration | undefined;
}

/** @throws AssertionError when a prefix of the moves breaks I1, I2, I3 or I5, or the order of a stack. */
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
    const excepted = exceptionOf(service, move, plan);
    for (const violation of violations(service))
      assert(
        before.has(violation) || violation === excepted,
        `plan ${plan.id}, move ${move.id}: ${violation} would be older than its upstream (I3)`,
      );
  }
  for (const { halted } of services.values())
    assert(
      halted.size === 0,
      `plan ${plan.id}: ${[...halted].join(' and ')} would be stopped and never started again`,
    );
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
    isStack: service?.declaration.shape === 'stack' || isWorker(move),
    stopped: new Set(
      service?.members.filter(({ intent }) => intent?.run !== 'running').map(({ name }) => name),
    ),
    halted: new Set(),
    declaration: service?.declaration,
  };
}

const isWorker = (move: Move): boolean => move.kind === 'place' && move.intent.role === 'worker';

/** "mirror under upstream" pairs where the upstream is newer. One that is stopped follows nobody before it is started. */
function violations(service: Simulated): ReadonlySet<string> {
  const found = new Set<string>();
  if (service.isStack) return found;
  for (const [mirror, upstream] of service.upstreams) {
    const below = service.images.get(mirror);
    const above = service.images.get(upstream);
    if (below === undefined || above === undefined || service.stopped.has(mirror)) continue;
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
      handOver(service, move);
      return;
    case 'halt':
      for (const member of move.members) halt(service, member, plan);
      return;
    case 'restore':
      restore(service, move);
      return;
    case 'migrate':
      restore(service, move);
      return;
    case 'sync':
      assert(
        move.member === service.leader,
        `${move.member} does not lead and would be written to`,
      );
      return;
    case 'reseed':
      reseed(service, move);
      return;
    case 'optimize':
    case 'cold-back-up':
      assert(service.images.has(move.member), `${move.member} is not placed and would be stopped`);
      assert(!service.retired.has(move.member), `${move.member} is retired (I2)`);
      return;
    case 'trim':
      assert(move.member === service.leader, `${move.member} does not lead and would cut the log`);
      assert(
        [...service.upstreams.keys()].sort().join() === [...move.mirrors].sort().join(),
        `the log of ${move.service} would be cut without naming all of its mirrors (I8)`,
      );
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

/**
 * The one exception to I3: an old leader below the one that took over, when it guards itself and its own update to the
 * same image is the very next thing that happens to its service.
 */
function exceptionOf(service: Simulated, move: Move, plan: Plan): string | undefined {
  if (move.kind !== 'hand-over' || move.leavesOlder !== true) return undefined;
  const { images, declaration } = service;
  const own = plan.moves.filter((other) => other.service === move.service);
  const next = own[own.indexOf(move) + 1];
  assert(
    next?.kind === 'recreate' &&
      next.member === move.from &&
      next.spec.image.digest === images.get(move.to)?.image.digest,
    `plan ${plan.id}, move ${move.id}: ${move.from} would stay older than ${move.to} (I3)`,
  );
  assert(
    guardsItself(declaration?.kind ?? '', images.get(move.from)?.runs),
    `plan ${plan.id}, move ${move.id}: ${move.from} does not guard itself against a newer leader (I3)`,
  );
  return `${move.from} under ${move.to}`;
}

type MoveOf<K extends Move['kind']> = Extract<Move, { kind: K }>;

function handOver(service: Simulated, move: MoveOf<'hand-over'>): void {
  const { declaration, leader, term, upstreams } = service;
  assert(upstreams.get(move.to) === leader, `${move.to} is no direct mirror (I1)`);
  assert(move.from === leader, `${move.from} does not lead`);
  assert(move.term === term + 1, `term ${move.term} must follow ${term} (I1)`);
  const ability = move.byStopping === true ? 'hand-over-by-stopping' : 'promote-gracefully';
  assert(
    declaration === undefined || isAble(ability, declaration),
    `${declaration?.kind ?? ''} cannot ${ability}`,
  );
  upstreams.delete(move.to);
  upstreams.set(move.from, move.to);
  lead(service, move.to, move.term);
}

/** Whatever follows it goes first; who may lead goes last. */
function halt(service: Simulated, member: string, plan: Plan): void {
  const all = plan.moves.flatMap((move) => (move.kind === 'halt' ? move.members : []));
  assert(service.images.has(member), `${member} is not placed and would be stopped`);
  for (const [below, upstream] of service.upstreams)
    assert(
      upstream !== member || !all.includes(below) || service.stopped.has(below),
      `${member} would be stopped before ${below}, which follows it`,
    );
  service.stopped.add(member);
  service.halted.add(member);
}

function restore(service: Simulated, move: MoveOf<'restore' | 'migrate'>): void {
  const { leader, term, upstreams } = service;
  assert(service.stopped.has(leader), `${leader} may lead while ${move.member} is restored (I1)`);
  assert(service.stopped.has(move.member), `${move.member} would be restored while it runs`);
  assert(!service.retired.has(move.member), `${move.member} is retired (I2)`);
  assert(service.images.has(move.member), `${move.member} is not placed`);
  assert(move.term === term + 1, `term ${move.term} must follow ${term} (I1)`);
  const before: Topology = {
    service: move.service,
    term,
    leader,
    upstreams: Object.fromEntries(upstreams),
    retired: [],
  };
  upstreams.clear();
  for (const [mirror, upstream] of Object.entries(
    restoredTo(before, move.member, move.term).upstreams,
  ))
    upstreams.set(mirror, upstream);
  lead(service, move.member, move.term);
  const image = move.kind === 'restore' ? move.image : undefined;
  // Whoever is not stopped is out of sight: it is filled anew before it ever follows.
  if (image !== undefined)
    for (const name of service.images.keys())
      if (!service.retired.has(name)) service.images.set(name, { image, runs: image.version });
  started(service, move.member);
}

function reseed(service: Simulated, move: MoveOf<'reseed'>): void {
  const { leader, upstreams, images } = service;
  assert(!service.isStack, `${move.member} is of a stack and holds no copy`);
  assert(move.member !== leader, `${move.member} leads and would be emptied`);
  assert(
    move.upstream === leader || upstreams.has(move.upstream),
    `${move.member} would be filled from ${move.upstream}, which does not follow ${leader}`,
  );
  assert(!service.retired.has(move.upstream), `${move.upstream} is retired (I2)`);
  assert(!service.stopped.has(move.upstream), `${move.upstream} is stopped: nothing to copy from`);
  for (let at = move.upstream; at !== leader; at = upstreams.get(at) ?? leader)
    assert(at !== move.member, `${move.upstream} mirrors ${move.member} itself`);
  service.retired.delete(move.member);
  upstreams.set(move.member, move.upstream);
  // It gets its upstream's image where its own is older.
  const [own, above] = [images.get(move.member), images.get(move.upstream)];
  if (above !== undefined && !isOlder(above.runs, own?.runs)) images.set(move.member, above);
  started(service, move.member);
}

function started(service: Simulated, member: string): void {
  service.stopped.delete(member);
  service.halted.delete(member);
}

/** No worker beside a main process that is down or has another image; no main process before its old workers are down. */
function startInStack(service: Simulated, member: string, image: Image): void {
  const { leader, images, stopped, upstreams } = service;
  const main = images.get(leader);
  if (member !== leader && leader !== '') {
    assert(!stopped.has(leader), `${member} would start before ${leader}, its main process`);
    assert(
      main === undefined || main.image.digest === image.digest,
      `${member} would start with another image than ${leader}, its main process`,
    );
  }
  if (member === leader && main !== undefined && main.image.digest !== image.digest)
    for (const worker of upstreams.keys())
      assert(
        stopped.has(worker),
        `${leader} would start with another image while ${worker}, its worker, runs`,
      );
}

function recreate(service: Simulated, move: MoveOf<'recreate'>, plan: Plan): void {
  const { image } = move.spec;
  const old = service.images.get(move.member);
  assert(!service.retired.has(move.member), `${move.member} is retired (I2)`);
  assertNoDowngrade(service, move.member, image);
  if (service.isStack) startInStack(service, move.member, image);
  started(service, move.member);
  if (!service.isStack && old !== undefined && old.image.digest !== image.digest)
    for (const [mirror, upstream] of service.upstreams)
      assert(
        upstream !== move.member || isUpToDate(service, mirror, image),
        `plan ${plan.id}, move ${move.id}: ${mirror} below ${move.member} is not updated before it (I3)`,
      );
  service.images.set(move.member, { image, runs: image.version });
}

function place(service: Simulated, { intent }: MoveOf<'place'>): void {
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
  if (service.isStack && intent.run === 'running') startInStack(service, member, image);
  if (intent.run === 'running') started(service, member);
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
