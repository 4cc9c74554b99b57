// What goes wrong, drawn from the seed. Each seed has its own few kinds of faults (swarm testing: few kinds together
// go deeper than all of them at once), each fault has its end, and at the end of all of them everything is healed.
import type { Container, Run } from './cells.js';
import type { Random } from './random.js';
import type { Trouble } from './disk.js';
import type { SimProcess } from './scheduler.js';
import type { Machine, World } from './world.js';

type Fault = (world: World, random: Random) => void;

const SHORT_MS = [300, 6000] as const;
const LONG_MS = [5000, 50_000] as const;

const lasting = (random: Random): number =>
  random.chance(0.5) ? random.between(...SHORT_MS) : random.between(...LONG_MS);

const anyMachine = (world: World, random: Random): Machine =>
  random.pick([...world.machines.values()]);

/** More often than others: the host of some leader. */
function machineAtRisk(world: World, random: Random): Machine {
  if (random.chance(0.4)) return anyMachine(world, random);
  const service = random.pick(world.options.layout.services);
  const leader = world.checkers.serviceOf(service.name).leader;
  const host = service.members.find((member) => member.name === leader)?.host;
  return host === undefined ? anyMachine(world, random) : world.machine(host);
}

function pause(world: World, process: SimProcess | undefined, ms: number): void {
  if (process?.alive !== true) return;
  world.stop(process);
  world.scheduler.after(ms, () => world.resume(process));
}

function hang(world: World, run: Run, ms: number): void {
  run.hung = true;
  world.line(run.container.member, 'hangs');
  world.scheduler.after(ms, () => {
    run.hung = false;
    run.wellSince = world.now;
    world.line(run.container.member, 'hangs no more');
  });
}

const trouble =
  (kind: Trouble): Fault =>
  (world, random) => {
    const machine = machineAtRisk(world, random);
    const disk = random.chance(0.6) ? machine.state : machine.data;
    world.line(disk.name, `disk is ${kind}`);
    disk.trouble = kind;
    const ms = lasting(random);
    machine.troubledUntil = world.now + ms;
    world.scheduler.after(ms, () => {
      if (disk.trouble !== kind) return;
      disk.trouble = undefined;
      world.line(disk.name, 'disk is well');
    });
  };

function block(world: World, lines: readonly (readonly [string, string])[], ms: number): void {
  for (const [from, to] of lines) {
    world.line(from, `line to ${to} is dead`);
    world.network.block(from, to);
    world.scheduler.after(ms, () => world.network.unblock(from, to));
  }
}

export const faults: Readonly<Record<string, Fault>> = {
  'agent killed': (world, random) => {
    const { agent } = machineAtRisk(world, random);
    if (agent !== undefined) world.kill(agent.process, 'killed');
  },
  'agent stopped': (world, random) => {
    pause(world, machineAtRisk(world, random).agent?.process, lasting(random));
  },
  'agent killed while it writes': (world, random) => {
    world.tripwires.set(machineAtRisk(world, random).host.name, random.pick(['killed', 'power']));
  },
  'controller killed': (world, random) => {
    const at = world.controllers[random.below(Math.max(1, world.controllers.length))];
    if (at !== undefined) world.kill(at.process, 'killed');
  },
  'controller stopped': (world, random) => {
    const at = world.controllers[random.below(Math.max(1, world.controllers.length))];
    pause(world, at?.process, lasting(random));
  },
  'controller killed at a commit': (world) => void world.tripwires.set('ctl', 'killed'),
  'second controller': (world) => world.startController(),
  'power cut': (world, random) => {
    const { host } = machineAtRisk(world, random);
    world.powerOff(host.name);
    world.scheduler.after(lasting(random), () => world.powerOn(host.name));
  },
  'program killed': (world, random) => {
    const runs = [...world.cells.containers.values()].flatMap(({ run }) =>
      run?.ended === false ? [run] : [],
    );
    if (runs.length > 0) world.cells.end(random.pick(runs), 137);
  },
  'leader hangs': (world, random) => {
    const { name } = random.pick(world.options.layout.services);
    const run = world.cells.running(name).find(({ active }) => active);
    if (run !== undefined) hang(world, run, random.between(...LONG_MS));
  },
  'programs hang': (world, random) => {
    const { host } = machineAtRisk(world, random);
    for (const { run } of world.cells.containers.values())
      if (run?.ended === false && run.container.host === host.name && random.chance(0.7))
        hang(world, run, lasting(random));
  },
  'leader killed and its host deaf': (world, random) => {
    const { name } = random.pick(world.options.layout.services);
    const run = world.cells.running(name).find(({ active }) => active);
    if (run === undefined) return;
    const { host } = run.container;
    world.machine(host).runtime.down = true;
    world.cells.end(run, 137);
    world.scheduler.after(lasting(random), () => (world.machine(host).runtime.down = false));
  },
  'clock jump': (world, random) => {
    const host = random.chance(0.3) ? world.controllerHost : anyMachine(world, random).host;
    const byMs = random.pick([-1, 1]) * random.between(500, random.pick([5000, 4_000_000]));
    host.wallOffsetMs += byMs;
    // How old what it has seen is, is not known until it looks again.
    for (const machine of world.machines.values())
      if (machine.host === host) machine.troubledUntil = Math.max(machine.troubledUntil, world.now);
    world.line(host.name, `clock jumps by ${Math.round(byMs)} ms`);
  },
  'host cut off': (world, random) => {
    const { host } = machineAtRisk(world, random);
    const others = [...world.machines.keys(), 'ctl'].filter((name) => name !== host.name);
    const lines = others.flatMap((other) => [
      [host.name, other] as const,
      [other, host.name] as const,
    ]);
    block(world, lines, lasting(random));
  },
  'controller out of reach': (world, random) => {
    const { name } = machineAtRisk(world, random).host;
    block(world, [[name, 'ctl'] as const, ['ctl', name] as const], lasting(random));
  },
  'one-way line': (world, random) => {
    const names = [...world.machines.keys(), 'ctl', 'ctl'];
    const [from, to] = [machineAtRisk(world, random).host.name, random.pick(names)];
    if (from !== to) block(world, [random.chance(0.5) ? [from, to] : [to, from]], lasting(random));
  },
  'slow lines': (world, random) => {
    world.network.slowMs.value = random.between(50, 2500);
    world.scheduler.after(lasting(random), () => (world.network.slowMs.value = 0));
  },
  'disk full': trouble('full'),
  'disk failing': trouble('failing'),
  'disk hung': trouble('hung'),
  'disk slow': (world, random) => {
    const machine = machineAtRisk(world, random);
    const disk = random.chance(0.6) ? machine.state : machine.data;
    disk.slowMs = random.between(100, 3000);
    machine.troubledUntil = Infinity;
    world.line(disk.name, `syncs take ${Math.round(disk.slowMs)} ms more`);
    world.scheduler.after(lasting(random), () => (disk.slowMs = 0));
  },
  'engine down': (world, random) => {
    const machine = machineAtRisk(world, random);
    const { runtime, host } = machine;
    machine.troubledUntil = Infinity;
    runtime.down = true;
    world.line(host.name, 'dockerd does not answer');
    world.scheduler.after(lasting(random), () => (runtime.down = false));
  },
  'pulls hang': (world, random) => {
    const { runtime } = anyMachine(world, random);
    runtime.pullsHang = true;
    world.scheduler.after(lasting(random), () => (runtime.pullsHang = false));
  },
  'agent reinstalled': (world, random) => {
    const machine = machineAtRisk(world, random);
    if (machine.agent === undefined) return;
    world.kill(machine.agent.process, 'reinstalled');
    world.line(machine.host.name, 'the agent loses its state directory');
    machine.state.wipe();
    world.checkers.forgotten(machine.host.name);
  },
  'store put back': (world, random) => {
    const copy = world.store.copy();
    world.line('ctl', 'a copy of the store is made');
    world.scheduler.after(random.between(5000, 60_000), () => {
      if (world.isHealing) return;
      world.line('ctl', 'the copy of the store is put back');
      for (const { process } of [...world.controllers]) world.kill(process, 'killed');
      world.store.putBack(copy);
      world.checkers.storeWasPutBack = true;
    });
  },
  'orders come late': (world, random) => {
    const { name } = machineAtRisk(world, random).host;
    for (let count = 1 + random.below(4); count > 0; count -= 1)
      if (world.network.comesLate(name)) world.line(name, 'an order of before comes late');
  },
  'retired one started by hand': (world) => {
    for (const container of world.cells.containers.values()) {
      const storage = world.cells.storageOf(container.host, container.spec.storage);
      const isHarmless = typeof storage.mirror === 'string';
      if (!world.checkers.retired.has(storage.key) || container.state === 'running') continue;
      if (!isHarmless || !world.machine(container.host).host.on) continue;
      // Two people who start two things on one storage are nobody's to keep apart.
      if ([...world.cells.strangers.values()].includes(storage)) continue;
      world.line(container.member, 'is started by hand although it is retired');
      world.checkers.byHand(storage.key);
      world.cells.start(container);
      return;
    }
  },
  'somebody else on a storage': (world, random) => {
    // Who comes between an agent's look and the start that it has begun is seen by nobody.
    const isStarting = ({ host, member }: Container): boolean =>
      world
        .machine(host)
        .agent?.running?.facts()
        .some((fact) => fact.member === member && fact.activity !== undefined) === true;
    const idle = [...world.cells.containers.values()].filter(
      (container) => container.state !== 'running' && !isStarting(container),
    );
    if (idle.length === 0) return;
    const container = random.pick(idle);
    const storage = world.cells.storageOf(container.host, container.spec.storage);
    const name = `stranger-${Math.round(world.now)}`;
    world.line(container.host, `${name} runs on ${storage.path}`);
    world.cells.strangers.set(name, storage);
    world.scheduler.after(random.between(...LONG_MS), () => world.cells.strangers.delete(name));
  },
};

/** After these nothing promises that a fleet comes right by itself. */
export const LASTING_HARM: ReadonlySet<string> = new Set(['store put back', 'agent reinstalled']);

/**
 * Drawn by no seed by itself, only asked for with --with: what production is known not to survive yet (docs/testing.md),
 * and what no line does by itself, which shows whether an agent knows an old order.
 */
const HELD_BACK: ReadonlySet<string> = new Set(['store put back', 'orders come late']);

export interface Swarm {
  readonly kinds: readonly string[];
  readonly everyMs: number;
}

/** @param also kinds beside the drawn ones; with `isOwn`, with few others. */
export function drawSwarm(random: Random, also: readonly string[], isOwn = false): Swarm {
  const all = Object.keys(faults).filter((kind) => !HELD_BACK.has(kind));
  const count = isOwn ? random.below(3) + Number(also.length === 0) : 2 + random.below(6);
  const kinds = new Set<string>(also);
  while (kinds.size < count + also.length) {
    const kind = random.pick(all);
    // Rare ones, since they end what a seed can promise.
    if (LASTING_HARM.has(kind) && random.chance(0.6)) continue;
    kinds.add(kind);
  }
  return { kinds: [...kinds], everyMs: random.between(2500, 14_000) };
}

export function strike(world: World, random: Random, swarm: Swarm): void {
  const kind = random.pick(swarm.kinds);
  faults[kind]?.(world, random);
}

/** Everything is repaired that an operator could repair; one controller is left. */
export function heal(world: World): void {
  world.isHealing = true;
  world.line('world', 'everything is repaired');
  world.tripwires.clear();
  world.network.healAll();
  for (const { process } of [...world.controllers].slice(0, -1)) world.kill(process, 'replaced');
  for (const { process } of world.controllers) world.resume(process);
  if (world.controllers.length === 0) world.startController();
  world.cells.strangers.clear();
  world.controllerHost.wallOffsetMs = 0;
  for (const { run } of world.cells.containers.values()) if (run !== undefined) run.hung = false;
  for (const machine of world.machines.values()) {
    const { host, state, data, runtime, agent } = machine;
    if (host.wallOffsetMs !== 0) machine.troubledUntil = Math.max(machine.troubledUntil, world.now);
    host.wallOffsetMs = 0;
    for (const disk of [state, data]) {
      disk.trouble = undefined;
      disk.slowMs = 0;
    }
    runtime.down = false;
    runtime.pullsHang = false;
    if (agent?.process.stopped === true) world.resume(agent.process);
    if (!host.on) world.powerOn(host.name);
    else world.startAgent(host.name);
  }
}
