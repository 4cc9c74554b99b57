// A model of the timer beside each agent: it reads from the agent's disk what the agent last heard, and stops a leader
// whose lease is over, be the agent well, hung or dead. Production's own is proven on real hosts.
import { AGENT_TURN_MS, KILL_MS, leaseOf } from '@leafward/shared/lease.js';
import { bootIdOf, uptimeOf } from './hosts.js';
import { readNow } from './disk.js';
import { STATE } from './layouts.js';
import type { Machine, World } from './world.js';

interface HeldFile {
  readonly bootId: string;
  readonly held: readonly (readonly [
    string,
    { readonly term: number; readonly renewedAt: number },
  ])[];
}

export function deadManLooks(world: World, machine: Machine): void {
  const { host, runtime } = machine;
  for (const { run } of world.cells.containers.values()) {
    if (run?.ended !== false || run.container.host !== host.name || run.storage.mirror !== null)
      continue;
    const order = world.checkers.memoryOf(host.name).members.get(run.container.member);
    if (order?.isolation.onIsolation !== 'stop' || !order.mirrored || order.role !== 'leader')
      continue;
    const renewedAt = heldOf(machine, run.container.member);
    if (renewedAt === undefined) continue;
    const lease = leaseOf(order.isolation, order.spec.stopGraceMs);
    const overMs = uptimeOf(host, world.now) - renewedAt - lease.leaseMs - AGENT_TURN_MS;
    if (overMs < 0 || runtime.deadManAt.has(run.id)) continue;
    runtime.deadManAt.add(run.id);
    world.line(host.name, `the dead-man stops ${run.container.member}`);
    const ms = world.cells.stopAfterMs(run, lease.graceMs);
    world.scheduler.after(Math.min(ms, lease.graceMs + KILL_MS), () => world.cells.end(run, 143));
  }
}

/** Host-monotonic moment of the last renewal that is on the disk. */
function heldOf({ state, host }: Machine, member: string): number | undefined {
  const text = readNow(state, `${STATE}/permits.json`);
  if (text === undefined) return undefined;
  try {
    const file = JSON.parse(text.split('\n', 1)[0] ?? '') as HeldFile;
    if (file.bootId !== bootIdOf(host)) return undefined;
    return file.held.find(([name]) => name === member)?.[1].renewedAt;
  } catch {
    return undefined;
  }
}
