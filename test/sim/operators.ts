// People who order things at the worst moment, and the one who brings everything to rest at the end. Honest in one
// thing only: they say that a host is off after they have switched it off.
import type { Goal, Operation, OperationControl } from '@leafward/shared/gen/domain.js';
import { messageOf } from '@leafward/shared/errors.js';
import { servicesOfGoal } from '@leafward/controller/planning/index.js';
import { imageReference, manifestOf, VERSIONS, type LayoutService } from './layouts.js';
import { isWritable } from './cells.js';
import type { Random } from './random.js';
import type { ControllerAt, World } from './world.js';

const OPERATOR = { name: 'operator', role: 'admin' } as const;

export function anyController(world: World, random: Random): ControllerAt | undefined {
  const living = world.controllers.filter(
    ({ process, running }) => process.alive && !process.stopped && running !== undefined,
  );
  return living.length === 0 ? undefined : random.pick(living);
}

/** Plans and applies; what comes of it is in the trace. Resolves false when it was refused, or nobody answered. */
export async function order(world: World, at: ControllerAt, goal: Goal): Promise<boolean> {
  const { running, process } = at;
  if (running === undefined) return false;
  const what = `${goal.kind} ${servicesOfGoal(goal).join(', ')}`.trim();
  try {
    const plan = await running.plans.make(goal);
    if (plan.refusals.length > 0) {
      const [first] = plan.refusals;
      world.line('operator', `${what}: refused: ${first?.code ?? ''} ${first?.message ?? ''}`);
      return false;
    }
    const operation = await running.plans.apply(plan.id, OPERATOR);
    world.line('operator', `${what}: ${operation.id} begins at ${process.name}`);
    return true;
  } catch (error) {
    world.line('operator', `${what}: ${messageOf(error)}`);
    return false;
  }
}

export async function control(
  world: World,
  { running }: ControllerAt,
  operation: Operation,
  verb: OperationControl,
): Promise<void> {
  try {
    await running?.plans.control(operation.id, verb, 'as it comes', OPERATOR);
    world.line('operator', `${verb} ${operation.id}`);
  } catch (error) {
    world.line('operator', `${verb} ${operation.id}: ${messageOf(error)}`);
  }
}

/** One order, drawn: of a service in distress more often than of others. */
export function orderSomething(world: World, random: Random, often?: Goal['kind']): void {
  const at = anyController(world, random);
  if (at?.running === undefined) return;
  const { services } = world.options.layout;
  const inNeed = services.filter(
    ({ name, members }) => members.length > 1 && !world.cells.running(name).some(isWritable),
  );
  const open = at.running.fleet.operations();
  const isUrgent = inNeed.length > 0 && random.chance(0.75);
  if (open.length > 0 && random.chance(isUrgent ? 0.3 : 0.45)) {
    const verb = random.pick(['pause', 'resume', 'resume', 'resume', 'abort', 'abort'] as const);
    return void control(world, at, random.pick(open), verb);
  }
  const goal = isUrgent
    ? failoverGoal(world, random, random.pick(inNeed))
    : often !== undefined && random.chance(0.7)
      ? goalOf(often, world, random, random.pick(services))
      : drawGoal(world, random, random.pick(services));
  void order(world, at, goal);
}

const NEED_MS = [1500, 9000] as const;

/** Somebody who looks at the services all the time and fails over whatever does not lead any more. */
export function keepWatch(world: World, random: Random): void {
  const since = new Map<string, number>();
  const look = (): void => {
    if (world.isHealing) return;
    world.scheduler.after(random.between(800, 2500), look);
    for (const service of world.options.layout.services) {
      const { name, members, isAutomatic } = service;
      if (isAutomatic === true) continue;
      if (members.length === 1 || world.cells.running(name).some(isWritable)) since.delete(name);
      else if (!since.has(name)) since.set(name, world.now + random.between(...NEED_MS));
      const at = anyController(world, random);
      if (at?.running === undefined || (since.get(name) ?? Infinity) > world.now) continue;
      since.delete(name);
      const open = at.running.fleet.operations().find((one) => one.services.includes(name));
      if (open === undefined) void order(world, at, failoverGoal(world, random, service));
      else if (open.goal.kind !== 'failover') void control(world, at, open, 'abort');
      else if (open.state === 'paused') void control(world, at, open, 'resume');
    }
  };
  look();
}

function drawGoal(world: World, random: Random, service: LayoutService): Goal {
  const luck = random.next();
  const kind =
    luck < 0.3
      ? 'promote'
      : luck < 0.4
        ? 'failover'
        : luck < 0.5
          ? 'reseed'
          : luck < 0.65
            ? 'backup'
            : luck < 0.92
              ? 'update'
              : 'deploy';
  return goalOf(kind, world, random, service);
}

function goalOf(kind: Goal['kind'], world: World, random: Random, service: LayoutService): Goal {
  const { name, members } = service;
  switch (kind) {
    case 'promote':
      return { kind, service: name, to: random.pick(members).name };
    case 'failover':
      return failoverGoal(world, random, service);
    case 'reseed':
      return reseedGoal(world, random, service);
    case 'backup':
      return { kind, service: name, name: `b${Math.round(world.now)}` };
    case 'update':
      return { kind, service: name, image: imageReference(random.pick(VERSIONS)) };
    default:
      return {
        kind: 'deploy',
        manifest: manifestOf(world.options.layout, String(random.below(3))),
      };
  }
}

function reseedGoal(world: World, random: Random, { name, members }: LayoutService): Goal {
  const retired = world.checkers.serviceOf(name).topology?.retired ?? [];
  const member = random.pick([
    ...members.map((one) => one.name),
    ...retired.map((one) => one.member),
  ]);
  const id = `r${Math.round(world.now)}`;
  return { kind: 'reseed', service: name, member, wipe: random.chance(0.5), id };
}

/** The word that a leader is off is given for hosts that are; half of the time the operator makes them so. */
function failoverGoal(world: World, random: Random, service: LayoutService): Goal {
  const { name } = service;
  const leader = world.checkers.serviceOf(name).topology?.leader;
  const host = service.members.find((member) => member.name === leader)?.host;
  const machine = host === undefined ? undefined : world.machine(host);
  const isInSight = machine?.agent?.running?.connected() === true;
  if (machine !== undefined && !isInSight && machine.host.on && random.chance(0.4)) {
    world.line('operator', `switches ${host} off to be sure`);
    world.powerOff(machine.host.name);
    world.scheduler.after(random.between(20_000, 90_000), () => world.powerOn(machine.host.name));
  }
  if (machine?.host.on !== false) return { kind: 'failover', service: name };
  // A host that is being switched on would make a word of this moment a lie.
  const leaderIsOff = machine.isBooting ? undefined : 'it is';
  return {
    kind: 'failover',
    service: name,
    leaderIsOff,
    atOnce: leaderIsOff !== undefined && random.chance(0.7),
  };
}
