// Measures space: once an hour it writes down what each host's newest report says of its volumes, and reckons anew how
// fast they grow. Off the way of reports and commits; a few hosts a pass, with a rest after each. Decides nothing.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '@leafward/shared/clock.js';
import type { Logger } from '@leafward/shared/log.js';
import { startLoop, type Loop } from '@leafward/shared/loop.js';
import type { Fleet } from '../fleet.js';
import { growthOf, sampleOf } from '../planning/index.js';
import type { HostState, Snapshot } from '../snapshot.js';
import type { SpaceStore } from '../store/space-store.js';

export interface SpaceLoopOptions {
  readonly fleet: Fleet;
  readonly store: SpaceStore;
  readonly clock: Clock;
  readonly log: Logger;
}

const HOUR_MS = 3_600_000;
const EVERY_MS = 30_000;
/** A thousand hosts have their turn within a quarter of an hour. */
const HOSTS_A_PASS = 40;
const DEADLINE_MS = 60_000;

export function startSpaceLoop(options: SpaceLoopOptions): Loop {
  return startLoop({
    name: 'space',
    clock: options.clock,
    log: options.log,
    everyMs: EVERY_MS,
    deadlineMs: DEADLINE_MS,
    pass: createSpacePass(options),
  });
}

/** One pass: samples of the hosts whose hour has come; of each one, at first, what the store has already. */
export function createSpacePass({
  fleet,
  store,
}: Pick<SpaceLoopOptions, 'fleet' | 'store'>): (signal: AbortSignal) => Promise<undefined> {
  const read = new Set<string>();
  return async (signal) => {
    const snapshot = fleet.snapshot();
    const due = Object.values(snapshot.hosts).filter(
      (host) => !read.has(host.name) || isDue(snapshot, host),
    );
    for (const host of due.slice(0, HOSTS_A_PASS)) {
      if (signal.aborted) return undefined;
      await measure({ fleet, store }, snapshot, host);
      read.add(host.name);
      await nextTurn();
    }
    return undefined;
  };
}

/** Once in each hour of the clock, from a host that is there; at once when the clock was set back before the last. */
function isDue({ now }: Snapshot, { connected, fact, growth }: HostState): boolean {
  if (!connected || fact === undefined || fact.volumes.length === 0) return false;
  const last = growth?.sampledAt;
  return last === undefined || Math.floor(now / HOUR_MS) !== Math.floor(last / HOUR_MS);
}

async function measure(
  { fleet, store }: Pick<SpaceLoopOptions, 'fleet' | 'store'>,
  snapshot: Snapshot,
  host: HostState,
): Promise<void> {
  const sample = isDue(snapshot, host) ? sampleOf(snapshot, host, snapshot.now) : undefined;
  if (sample !== undefined) await store.add(host.name, sample);
  const growth = growthOf(await store.samples(host.name));
  // Reports have come meanwhile: only the growth is put beside what they said.
  if (growth !== undefined) fleet.setHost({ ...fleet.host(host.name), growth });
}
