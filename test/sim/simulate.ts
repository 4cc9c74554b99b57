// One seed from its first event to its verdict: a fleet that was deployed before, a time of faults and orders, a time
// of rest in which everything must come right.
import type { Goal } from '@leafward/shared/gen/domain.js';
import { layouts, manifestOf, type Layout } from './layouts.js';
import { isWritable } from './cells.js';
import { startRecovery } from './converge.js';
import { drawSwarm, heal, LASTING_HARM, strike } from './faults.js';
import { anyController, keepWatch, order, orderSomething } from './operators.js';
import { worldFrom, type Template } from './template.js';
import type { Verdict } from './verdict.js';
import { World, type Programs } from './world.js';

const DEPLOY_MS = 15 * 60_000;

/** A fleet as a first deploy leaves it, everything up. @throws Error when it does not come up. */
export async function deployed(
  layout: Layout,
  programs: Programs,
  print?: (line: string) => void,
): Promise<World> {
  const world = new World({ seed: 1, layout, programs, print });
  for (const name of layout.hosts) world.startAgent(name);
  world.startController();
  startWriters(world);
  await world.scheduler.until(3000, () => world.controllers[0]?.running !== undefined);
  const at = world.controllers[0];
  await at?.running?.fleet.transact(() => ({
    value: undefined,
    changes: [
      {
        kind: 'secret',
        secret: {
          name: 'token',
          version: 1,
          sealed: 'x',
          keyId: 'k',
          madeAt: 0,
          madeBy: 'operator',
        },
      },
    ],
  }));
  await world.scheduler.until(8000, () => false);
  const random = world.random.fork(7);
  const one = anyController(world, random);
  if (one !== undefined) void order(world, one, { kind: 'deploy', manifest: manifestOf(layout) });
  const wanted = layout.services.flatMap(({ members }) => members).length;
  const isDone = (): boolean =>
    world.checkers.violations.length > 0 ||
    (world.checkers.counts.operations > 0 &&
      [...world.cells.containers.values()].filter(({ run }) => run?.up === true).length === wanted);
  await world.scheduler.until(DEPLOY_MS, isDone);
  // One of the fleets has no backup, so that an update may meet a service without.
  const backedUp = layouts.indexOf(layout) === 1 ? [] : layout.services;
  for (const { name } of backedUp) {
    const target = world.checkers.counts.operations + 1;
    if (one !== undefined) void order(world, one, { kind: 'backup', service: name, name: 'first' });
    await world.scheduler.until(DEPLOY_MS, () => world.checkers.counts.operations >= target);
  }
  if (!isDone() || world.checkers.violations.length > 0)
    throw new Error(`the first deploy did not come up: ${world.checkers.violations.join('; ')}`);
  return world;
}

/** Clients of each service write to whoever takes it. */
export function startWriters(world: World): void {
  for (const { name } of world.options.layout.services) {
    const random = world.random.fork(name.length * 7919);
    const write = (): void => {
      world.scheduler.after(random.between(80, 500), write);
      const leaders = world.cells.running(name).filter(isWritable);
      if (leaders.length > 0) world.cells.write(random.pick(leaders));
    };
    write();
  }
}

export interface SimulateOptions {
  readonly seed: number;
  readonly templates: readonly Template[];
  readonly programs: Programs;
  /** Beside those that the seed draws. */
  readonly faults: readonly string[];
  /** Nearly only those. */
  readonly isProvoked?: boolean;
  /** What operators order more often than anything else. */
  readonly orders?: Goal['kind'] | undefined;
  /** Undefined: each in its turn. */
  readonly layout?: number | undefined;
  readonly print?: ((line: string) => void) | undefined;
}

const START_MS = 20_000;
const FAULTS_MS = [30_000, 100_000] as const;
/** Of so many seeds. */
const WATCHED = 0.8;
const CONVERGE_MS = 10 * 60_000;
/** It must stay so. */
const STEADY_MS = 6000;

function recycle({ agent, controller }: Programs): void {
  agent.recycle();
  controller.recycle();
}

export async function simulate(options: SimulateOptions): Promise<Verdict> {
  const { seed, templates } = options;
  const template = templates[options.layout ?? seed % templates.length];
  if (template === undefined) throw new Error('no fleet to begin with');
  const world = worldFrom(template, options);
  const onRejection = (error: unknown): void => world.rejected(error);
  process.on('unhandledRejection', onRejection);
  try {
    return await run(world, options);
  } finally {
    process.off('unhandledRejection', onRejection);
    recycle(options.programs);
  }
}

async function run(world: World, options: SimulateOptions): Promise<Verdict> {
  const random = world.random.fork(5);
  const { scheduler, checkers } = world;
  const isBroken = (): boolean => checkers.violations.length > 0;
  const { seed, faults, isProvoked, orders } = options;
  const swarm = drawSwarm(random, faults, isProvoked);
  world.line('world', `seed ${seed}, faults: ${swarm.kinds.join(', ')}`);
  for (const name of world.machines.keys()) world.startAgent(name);
  world.startController();
  startWriters(world);
  await scheduler.until(START_MS * random.next(), isBroken);
  const faultsEnd = world.now + random.between(...FAULTS_MS);
  const ordersEveryMs = random.between(3000, 20_000);
  const again = (everyMs: number, act: () => void): void => {
    const next = (): void => {
      if (world.isHealing) return;
      act();
      scheduler.after(everyMs * random.between(0.3, 1.7), next);
    };
    scheduler.after(everyMs * random.next(), next);
  };
  again(swarm.everyMs, () => strike(world, random, swarm));
  again(ordersEveryMs, () => orderSomething(world, random, orders));
  if (random.chance(WATCHED)) keepWatch(world, random.fork(6));
  await scheduler.until(faultsEnd, isBroken);
  heal(world);
  const recovery = startRecovery(world);
  const deadline = world.now + CONVERGE_MS;
  let waits = recovery.missing();
  let wellSince = Infinity;
  while (!isBroken() && world.now < deadline && world.now - wellSince < STEADY_MS) {
    await scheduler.until(world.now + 1000, isBroken);
    waits = recovery.missing();
    if (waits.length > 0) wellSince = Infinity;
    else wellSince = Math.min(wellSince, world.now);
  }
  if (waits.length === 0) checkers.assertLines();
  const isExcused = swarm.kinds.some((kind) => LASTING_HARM.has(kind));
  const lost = [...checkers.services.values()].reduce((sum, service) => sum + service.lost, 0);
  return {
    seed,
    violations: checkers.violations,
    waits,
    stuck: waits.length > 0 && !isExcused && !isBroken(),
    hash: world.trace.hash(),
    events: scheduler.events,
    virtualMs: world.now,
    counts: { ...checkers.counts, lost },
    kinds: swarm.kinds,
    lines: world.trace.lines(),
  };
}
