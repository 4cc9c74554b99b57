// The end of every seed: an operator who resumes, aborts and fails over by the book, and the question whether the
// fleet has come right: one leader, everybody behind it, nothing left to do.
import type { Goal } from '@leafward/shared/gen/domain.js';
import { isOlder, isWritable } from './cells.js';
import { imageReference, manifestOf } from './layouts.js';
import { anyController, control, order } from './operators.js';
import type { RunningController } from './programs/controller.js';
import type { World } from './world.js';

const LOOK_MS = 2000;
/** A member that is down this long is not just starting. */
const PATIENCE_MS = 45_000;
const RESUMES = 4;

export interface Recovery {
  /** What is not right yet; empty: it has converged. */
  readonly missing: () => readonly string[];
}

export function startRecovery(world: World): Recovery {
  const random = world.random.fork(99);
  const { layout } = world.options;
  const resumed = new Map<string, number>();
  const leaderless = new Map<string, number>();
  let idleSince = world.now;
  const look = (): void => {
    world.scheduler.after(LOOK_MS, look);
    const at = anyController(world, random);
    if (at?.running === undefined) return;
    for (const operation of at.running.fleet.operations()) {
      if (operation.state !== 'paused') continue;
      const count = (resumed.get(operation.id) ?? 0) + 1;
      resumed.set(operation.id, count);
      // It waits for a mirror that is older than its leader: an update is all that helps.
      const helps = count <= RESUMES && operation.reason?.includes('is read-only') !== true;
      void control(world, at, operation, helps ? 'resume' : 'abort');
    }
    const isIdle = at.running.fleet.operations().length === 0;
    if (!isIdle || missingIn(world).length === 0) idleSince = world.now;
    // What an aborted operation has left is put right by what is declared.
    if (leaderless.size === 0 && world.now - idleSince > PATIENCE_MS) {
      idleSince = world.now;
      void order(world, at, updateOf(world) ?? { kind: 'deploy', manifest: manifestOf(layout) });
    }
    for (const { name } of world.options.layout.services) {
      const hasLeader = world.cells.running(name).some((run) => run.active);
      if (hasLeader) leaderless.delete(name);
      const since = leaderless.get(name) ?? world.now;
      if (!hasLeader) leaderless.set(name, since);
      if (hasLeader || world.now - since < PATIENCE_MS) continue;
      leaderless.set(name, world.now);
      // What waits for a leader before it has begun anything stands in the way of the failover that would bring one.
      const inTheWay = at.running.fleet.operations().find((one) => one.services.includes(name));
      if (inTheWay?.progress.every(({ state }) => state === 'pending') === true)
        void control(world, at, inTheWay, 'abort');
      else void order(world, at, { kind: 'failover', service: name });
    }
  };
  world.scheduler.after(LOOK_MS, look);
  return { missing: () => missingIn(world) };
}

/** Of a service whose leader is newer than a mirror, which follows it no more. */
function updateOf(world: World): Goal | undefined {
  for (const { name } of world.options.layout.services) {
    const runs = world.cells.running(name);
    const leader = runs.find(isWritable);
    if (leader !== undefined && runs.some((run) => isOlder(run.version, leader.version)))
      return { kind: 'update', service: name, image: imageReference(leader.version) };
  }
  return undefined;
}

function missingIn(world: World): readonly string[] {
  const controller = world.controllers.find(({ process }) => process.alive)?.running;
  if (controller === undefined) return ['no controller is up'];
  return [
    ...controller.fleet.operations().map(({ id, goal, state, progress, reason }) => {
      const wait = progress.find((move) => move.wait !== undefined)?.wait;
      return `${id} (${goal.kind}) is ${state}: ${wait?.code ?? ''} ${wait?.message ?? reason ?? ''}`;
    }),
    ...world.options.layout.hosts.flatMap((host) => missingOn(controller, host)),
    ...world.options.layout.services.flatMap(({ name }) => missingOf(world, controller, name)),
  ];
}

function missingOn({ fleet }: RunningController, host: string): readonly string[] {
  const { session, acceptedGeneration, refusedIntent } = fleet.host(host);
  const wanted = fleet.intent(host)?.generation;
  if (session === undefined) return [`the agent of ${host} is not connected`];
  if (wanted === undefined || acceptedGeneration === wanted) return [];
  return [`${host} has order ${acceptedGeneration}, wanted is ${wanted}: ${refusedIntent ?? ''}`];
}

function missingOf(world: World, { fleet }: RunningController, service: string): readonly string[] {
  const topology = fleet.services()[service]?.topology;
  if (topology === undefined) return [`${service} is not known`];
  const { leader, upstreams } = topology;
  const missing: string[] = [];
  const leads = world.cells.runOf(leader);
  if (leads === undefined || !isWritable(leads)) missing.push(`${leader} does not lead ${service}`);
  for (const [member, upstream] of Object.entries(upstreams)) {
    const host = Object.values(fleet.snapshot().hosts).find(({ intent }) =>
      intent?.members.some((one) => one.member === member),
    );
    const intent = host?.intent?.members.find((one) => one.member === member);
    if (intent === undefined || intent.run !== 'running') continue; // kept stopped by a plan
    const run = world.cells.runOf(member);
    const facts = host?.members[member]?.value;
    const said = [...(facts?.waits ?? []), ...(facts?.refusals ?? [])].map(({ code }) => code);
    if (run?.up !== true) missing.push(`${member} is not up (${said.join(', ')})`);
    else if (run.active) missing.push(`${member} leads, too`);
    else if (run.upstream !== `sim://${upstream}`)
      missing.push(`${member} mirrors ${run.upstream}, not ${upstream} (${said.join(', ')})`);
    else if (leads !== undefined && leads.storage.log.length - run.storage.log.length > 20)
      missing.push(`${member} has ${run.storage.log.length} of ${leads.storage.log.length}`);
  }
  return missing;
}
