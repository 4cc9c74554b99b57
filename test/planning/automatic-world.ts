// A fleet of the model whose leader is failed over without an operator: the real decision and what the loop makes of it,
// and a host that stops its leader when its lease is over.
import { decideOnce } from '@leafward/controller/operations/automatic-loop.js';
import { assess, type Assessment } from '@leafward/controller/planning/automatic.js';
import { gatherService } from '@leafward/controller/planning/index.js';
import type { AutomaticState } from '@leafward/controller/snapshot.js';
import type { Operation } from '@leafward/shared/gen/domain.js';
import { deployed, type TreeOptions, type World } from './model.js';

const policy = (onIsolation: string): string =>
  `    stopGrace: 20s
    failover:
      { mode: automatic, onIsolation: ${onIsolation}, lease: 5s, stopGrace: 2s, clockMargin: 1s, probe: 'tcp://{host}:1' }`;

/** Lease, agent's turn, dead-man's look, grace, kill, margin. */
export const UNTIL_FENCED_MS = 5000 + 1000 + 1000 + 2000 + 1000 + 1000;

/** Deployed, well, and watched for a while. */
export async function automaticWorld(
  onIsolation: 'keep' | 'stop' = 'stop',
  tree: TreeOptions = {},
): Promise<World> {
  const world = deployed({ ...tree, extra: policy(onIsolation) });
  await pass(world);
  return world;
}

/** One pass of the loop, committed; the operations that it began. */
export async function pass(world: World): Promise<readonly Operation[]> {
  const { begun } = await decideOnce({
    transact: (decide) => {
      const { changes, value } = decide(world.snapshot());
      for (const change of changes) world.commit(change);
      return Promise.resolve(value);
    },
    showAutomatic: (service, state) => world.commit({ kind: 'automatic', service, state }),
  });
  return begun;
}

/** What stands against a failover now; undefined: nothing has failed. */
export function assessed(world: World): Assessment | undefined {
  const snapshot = world.snapshot();
  const service = gatherService(snapshot, 'cortex');
  return service === undefined ? undefined : assess(snapshot, service);
}

export const codes = (world: World): readonly string[] =>
  (assessed(world)?.objections ?? []).map(({ code }) => code);

export const automaticOf = (world: World): AutomaticState =>
  world.services['cortex']?.automatic ?? {};

/** A host that is cut off stops its leader in time, whoever is well on it. */
export function stopIsolated(world: World): void {
  for (const [host, machine] of world.machines) {
    const answeredAt = world.seen[host]?.at ?? -Infinity;
    if (machine.connected || world.now - answeredAt < UNTIL_FENCED_MS - 1000) continue;
    for (const cell of machine.cells.values())
      if (cell.active) {
        cell.running = false;
        cell.active = false;
      }
  }
}

/** Everybody does everything once, and the loop passes; what it began. */
export async function round(world: World, ms = 300): Promise<readonly Operation[]> {
  stopIsolated(world);
  world.round(ms);
  stopIsolated(world);
  return pass(world);
}

/** Rounds until one begins, at most for so long. */
export async function untilBegun(world: World, limitMs: number): Promise<Operation | undefined> {
  for (const end = world.now + limitMs; world.now < end;) {
    const [begun] = await round(world);
    if (begun !== undefined) return begun;
  }
  return undefined;
}
