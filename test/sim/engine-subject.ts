// A tree of simulated services for the obligations of engines. Their time runs many times faster than this machine's,
// and nothing happens to them by chance.
import { setTimeout as delay } from 'node:timers/promises';
import type { Engine, EngineMember } from '@leafward/agent/engines/engine.js';
import type { EngineSubject, Place } from '../conformance/engine.js';
import { Cells, isWritable, memberOf, type Container, type Run } from './cells.js';
import { hasCopy } from './copies.js';
import { Disk } from './disk.js';
import { createEngine, imageOf } from './drivers.js';
import { createHost, wallOf } from './hosts.js';
import type { Random } from './random.js';
import { newProcess, Scheduler } from './scheduler.js';
import { createTrace } from './trace.js';

const UPSTREAM: Readonly<Record<Place, Place | undefined>> = {
  leader: undefined,
  mirror: 'leader',
  leaf: 'mirror',
};
const HOST = 'alpha';
/** Of simulated time in each round of this machine's. */
const ROUND_MS = 100;
const REST_MS = 4;

/** Always the middle: rare things do not happen. */
const steady: Random = {
  next: () => 0.5,
  between: (least, most) => (least + most) / 2,
  below: (count) => Math.floor(count / 2),
  chance: (probability) => probability > 0.5,
  pick: <T>(list: readonly T[]): T => list[Math.floor(list.length / 2)] as T,
  fork: () => steady,
};

interface Tree {
  readonly cells: Cells;
  readonly engine: Engine;
  /** Ids of acknowledged writes, and what they said. */
  readonly said: Map<number, string>;
  readonly untilRested: () => Promise<void>;
  readonly end: () => Promise<void>;
}

export async function makeSimulatedSubject(): Promise<EngineSubject> {
  const tree = growTree();
  const { cells, engine, said } = tree;
  const runOf = (place: Place): Run => {
    const run = cells.runOf(place);
    if (run === undefined) throw new Error(`${place} does not run`);
    return run;
  };
  const end = async (place: Place, exitCode: number): Promise<void> => {
    const run = cells.runOf(place);
    if (run !== undefined) cells.end(run, exitCode);
  };
  return {
    engine,
    member: (place) => memberAt(place),
    urlOf: (place) => `sim://${place}`,
    start: async (place) => {
      const storage = cells.storageOf(HOST, storageOf(place));
      const upstream = UPSTREAM[place];
      if (upstream !== undefined) storage.mirror ??= `sim://${upstream}`;
      cells.start(containerOf(cells, place));
      while (!runOf(place).up) await tree.untilRested();
    },
    stop: (place) => end(place, 0),
    kill: (place) => end(place, 137),
    empty: async (place) => {
      const nothing = { mirror: undefined, iden: undefined, version: undefined, log: [] };
      Object.assign(cells.storageOf(HOST, storageOf(place)), nothing);
    },
    hang: (place) => void (runOf(place).hung = true),
    write: async (place, value) => {
      await tree.untilRested(); // one that is refused takes its time, too
      let run = runOf(place);
      while (!run.active && run.upstream !== undefined)
        run = runOf(memberOf(run.upstream) as Place);
      if (!isWritable(run)) throw new Error(`${run.container.member} takes no writes`);
      cells.write(run);
      said.set(run.storage.log.at(-1) ?? 0, value);
    },
    values: async (place) => runOf(place).storage.log.map((write) => said.get(write) ?? ''),
    has: async (directory) => hasCopy(cells, HOST, directory),
    close: tree.end,
  };
}

function growTree(): Tree {
  const troubles: unknown[] = [];
  const scheduler = new Scheduler(createTrace(), (error) => troubles.push(error));
  const host = createHost(HOST, steady);
  const disk = new Disk(HOST, steady);
  const nothing = (): void => undefined;
  const events = { starting: nothing, leads: nothing, ended: nothing, line: nothing };
  const cells = new Cells({
    scheduler,
    random: steady,
    events: { ...events, acknowledged: nothing },
    wallOf: () => wallOf(host, scheduler.now),
    diskOf: () => disk,
    canTalk: () => true,
  });
  const engine = createEngine({
    ...{ host, scheduler, random: steady, cells },
    process: newProcess('agent', HOST),
    state: {
      ...{ down: false, pullsHang: false, images: new Set() },
      ...{ watchers: new Set(), deadManAt: new Set() },
    },
    acts: {
      ...{ promoting: nothing, promotionEnded: nothing, backingUp: nothing, backupEnded: nothing },
    },
  });
  let isOver = false;
  const clock = (async () => {
    while (!isOver) {
      await scheduler.until(scheduler.now + ROUND_MS, () => isOver);
      await delay(REST_MS);
    }
  })();
  return {
    cells,
    engine,
    said: new Map(),
    untilRested: () => delay(REST_MS),
    end: async () => {
      isOver = true;
      await clock;
      if (troubles.length > 0) throw new AggregateError(troubles, 'an event threw');
    },
  };
}

const storageOf = (place: Place): string => `/srv/${place}`;

function containerOf(cells: Cells, place: Place): Container {
  const { member, service, spec } = memberAt(place);
  const known = cells.containers.get(`${HOST}:${place}`);
  return known ?? cells.create(HOST, { member, service, spec, specDigest: place });
}

function memberAt(place: Place): EngineMember {
  return {
    member: place,
    service: 'cortex',
    spec: {
      kind: 'synapse',
      runtime: 'docker',
      image: imageOf('cell:2.113.0'),
      command: [],
      environment: {},
      mounts: [],
      storage: storageOf(place),
      storageTarget: '/vertex/storage',
      networkMode: 'host',
      limits: {},
      ports: {},
      stopGraceMs: 5_000,
      engineOptions: {},
    },
  };
}
