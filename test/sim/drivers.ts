// The runtime and the engine of one agent process: how it sees and moves its host's cells. Calls take time, may fail
// and, when their process dies, may have happened. They follow the contracts of runtime.ts and engine.ts.
import { createHash } from 'node:crypto';
import type { Engine, EngineMember } from '@leafward/agent/engines/engine.js';
import type { Runtime } from '@leafward/agent/runtimes/runtime.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { EngineFact, Image } from '@leafward/shared/gen/domain.js';
import { versionOf, type Cells, type Container, type Run } from './cells.js';
import { createCopies } from './copies.js';
import type { Host } from './hosts.js';
import type { Random } from './random.js';
import type { Scheduler, SimProcess } from './scheduler.js';

/** Of a host, over the lives of its agents. */
export interface HostRuntime {
  down: boolean;
  /** Pulls do not end. */
  pullsHang: boolean;
  readonly images: Set<string>;
  readonly watchers: Set<() => void>;
  /** Runs that the dead-man is at. */
  readonly deadManAt: Set<string>;
}

export interface DriverOptions {
  readonly host: Host;
  readonly process: SimProcess;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly cells: Cells;
  readonly state: HostRuntime;
  readonly acts: DriverActs;
}

/** What the checkers want to know. */
export interface DriverActs {
  promoting(member: string, graceful: boolean): void;
  promotionEnded(member: string, isDone: boolean): void;
  backingUp(member: string): void;
  backupEnded(member: string, isDone: boolean): void;
}

export const imageOf = (reference: string): Image => ({
  reference,
  digest: `sha256:${createHash('sha256').update(reference).digest('hex')}`,
  version: versionOf(reference),
  sizeBytes: 1e8,
});

const aborted = (what: string): LeafwardError => new LeafwardError('aborted', `${what}: aborted`);

/** Waits and calls: `act` runs at its end if the process lives, and by chance if it has died. */
function createCalls({ scheduler, random, process }: DriverOptions) {
  return <T>(options: {
    readonly what: string;
    readonly ms: number;
    readonly signal?: AbortSignal | undefined;
    readonly act: () => T;
    readonly happensAnyway?: boolean;
  }): Promise<T> =>
    new Promise((resolve, reject) => {
      const { what, ms, signal, act } = options;
      if (!process.alive) return; // the rest of the moment in which it died
      if (signal?.aborted === true) return reject(aborted(what));
      const onAbort = (): void => {
        event.cancelled = true;
        reject(aborted(what));
      };
      const perform = (): void => {
        signal?.removeEventListener('abort', onAbort);
        try {
          resolve(act());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      const orphan = (): void => {
        if (options.happensAnyway !== true || process.died === 'power' || !random.chance(0.5))
          return;
        try {
          act();
        } catch {
          // nobody is there to be told
        }
      };
      const event = scheduler.after(ms, perform, process, orphan);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
}

/** Cast, as the engine is: a runtime grows abilities that the simulation does not need. */
export function createRuntime(options: DriverOptions): Runtime {
  const { cells, host, random, state } = options;
  const call = createCalls(options);
  const containerOf = (member: string): Container | undefined =>
    cells.containers.get(`${host.name}:${member}`);
  const assertUp = (what: string): void => {
    if (state.down) throw new LeafwardError('unavailable', `${what}: the engine does not answer`);
  };
  const short = (): number => random.between(0.5, 12);
  const simple = <T>(what: string, act: () => T, signal: AbortSignal): Promise<T> =>
    call({
      what,
      ms: short(),
      signal,
      happensAnyway: true,
      act: () => {
        assertUp(what);
        return act();
      },
    });
  const found = (member: string): Container => {
    const container = containerOf(member);
    if (container === undefined) throw new LeafwardError('not-found', `no container ${member}`);
    return container;
  };
  const stopRun = async (run: Run, graceMs: number, signal: AbortSignal): Promise<void> => {
    const what = `stop ${run.container.member}`;
    await simple(what, () => undefined, signal);
    const ms = cells.stopAfterMs(run, graceMs);
    await call({ what, ms, signal, happensAnyway: true, act: () => cells.end(run, 0) });
  };
  const runtime: Partial<Runtime> = {
    name: 'docker',
    inspect: (member) =>
      call({
        what: 'inspect',
        ms: short(),
        act: () => {
          if (state.down) return { state: 'unknown', error: 'the engine does not answer' };
          const container = containerOf(member);
          if (container === undefined) return { state: 'absent' };
          const { startedAt, exitCode, specDigest, restartPolicy, spec } = container;
          return {
            id: container.id,
            state: container.state,
            startedAt: container.state === 'created' ? undefined : startedAt,
            exitCode,
            specDigest,
            restartPolicy,
            imageDigest: spec.image.digest,
          };
        },
      }),
    resolve: (reference, signal) =>
      simple(`resolve ${reference}`, () => imageOf(reference), signal),
    pull: async (image, _, signal) => {
      const what = `pull ${image.reference}`;
      while (state.pullsHang) await call({ what, ms: 1000, signal, act: () => undefined });
      return call({
        what,
        ms: state.images.has(image.digest) ? 5 : random.between(300, 6000),
        signal,
        act: () => {
          assertUp(what);
          state.images.add(image.digest);
          return image;
        },
      });
    },
    hasImage: (image, signal) =>
      simple('list images', () => state.images.has(image.digest), signal),
    create: (container, signal) =>
      simple(
        `create ${container.member}`,
        () => {
          const known = containerOf(container.member);
          if (known?.specDigest === container.specDigest) return;
          if (known !== undefined)
            throw new LeafwardError('already-exists', `create ${container.member}: it is there`);
          cells.create(host.name, container);
        },
        signal,
      ),
    start: (member, signal) =>
      simple(
        `start ${member}`,
        () => {
          const container = found(member);
          if (container.state !== 'running') cells.start(container);
        },
        signal,
      ),
    stop: async (member, graceMs, signal) => {
      const run = containerOf(member)?.run;
      if (run?.ended === false) return stopRun(run, graceMs, signal);
      await simple(`stop ${member}`, () => undefined, signal);
    },
    remove: (member, signal) =>
      simple(
        `remove ${member}`,
        () => {
          if (containerOf(member)?.state === 'running')
            throw new LeafwardError('failed', `remove ${member}: it runs`);
          cells.remove(host.name, member);
        },
        signal,
      ),
    tail: (member, _, signal) =>
      simple(
        `logs of ${member}`,
        () => {
          const container = containerOf(member);
          if (container?.run?.migrating === true) return ['beginning model migration'];
          // Services print what they were given (I14).
          return [`started with TOKEN ${container?.spec.environment['TOKEN'] ?? ''}`];
        },
        signal,
      ),
    setRestartPolicyNo: (name, signal) =>
      simple(
        `update ${name}`,
        () => {
          const container = containerOf(name);
          if (container !== undefined) container.restartPolicy = 'no';
        },
        signal,
      ),
    stopListed: async (name, graceMs, signal) => {
      cells.strangers.delete(name);
      const run = containerOf(name)?.run;
      if (run?.ended === false) await stopRun(run, graceMs, signal);
    },
    list: (signal) =>
      simple(
        'list containers',
        () => [
          ...[...cells.containers.values()]
            .filter((container) => container.host === host.name)
            .map((container) => ({
              name: container.member,
              running: container.state === 'running',
              writes: [container.spec.storage],
              restartPolicy: container.restartPolicy,
              networkMode: 'host',
              member: container.member,
            })),
          ...[...cells.strangers.entries()]
            .filter(([, storage]) => storage.host === host.name)
            .map(([name, storage]) => ({
              name,
              running: true,
              writes: [storage.path],
              restartPolicy: 'no',
              networkMode: 'host',
            })),
        ],
        signal,
      ),
    watch: (onChange, signal) => {
      const listener = (): void => {
        if (options.process.alive && !state.down)
          options.scheduler.after(5, onChange, options.process);
      };
      state.watchers.add(listener);
      signal.addEventListener('abort', () => state.watchers.delete(listener));
    },
  };
  return runtime as Runtime;
}

const OBSERVE_DEADLINE_MS = 5000;
const HANDOVER_MS = [150, 450] as const;

/** Cast: an engine grows abilities that the simulation does not need. */
export function createEngine(options: DriverOptions): Engine {
  const { cells, host, random, scheduler, process, acts } = options;
  const call = createCalls(options);
  const runOf = ({ member }: EngineMember): Run | undefined => {
    const run = cells.containers.get(`${host.name}:${member}`)?.run;
    return run?.ended === false ? run : undefined;
  };
  const copies = createCopies(cells, host.name);
  const storageOf = ({ spec }: EngineMember) => cells.storageOf(host.name, spec.storage);
  const unlessDown = (member: EngineMember, what: string): Run => {
    const run = runOf(member);
    if (run?.up !== true || run.hung)
      throw new LeafwardError('unavailable', `${what} ${member.member}: it does not answer`);
    return run;
  };
  const quick = <T>(what: string, act: () => T, signal?: AbortSignal): Promise<T> =>
    call({ what, ms: random.between(0.3, 15), signal, happensAnyway: true, act });

  const factOf = (run: Run): EngineFact => {
    const upstream = cells.upstreamRun(run);
    const isReadOnly = upstream !== undefined && cells.isReadOnly(run, upstream);
    return {
      answered: true,
      version: run.version,
      iden: run.storage.iden,
      runId: run.id,
      active: run.active,
      ready: true,
      // Measured: it stays true for an upstream that hangs or is cut off without a word.
      uplink: run.active ? undefined : upstream !== undefined,
      readOnly: isReadOnly,
      position: run.storage.log.length,
      upstreamUrl: run.upstream,
    };
  };

  const handOver = async (member: EngineMember, signal: AbortSignal): Promise<void> => {
    const what = `promote ${member.member}`;
    const to = unlessDown(member, what);
    const from = cells.upstreamRun(to);
    if (from?.active !== true || !from.up || from.hung || !cells.canReach(to, from))
      throw new LeafwardError('refused', `${what}: its upstream is not the active leader`);
    const luck = random.next();
    from.handsOver = true;
    const release = (): void => {
      from.handsOver = false;
    };
    const giveUp = scheduler.after(30_000, release);
    await quick(`${what}: wait for the log`, () => undefined, signal).catch((error: unknown) => {
      release();
      throw error;
    });
    // From here on the two of them do it; whoever asked only waits for the answer.
    const happened = new Promise<'done' | 'broken'>((resolve) => {
      scheduler.after(random.between(...HANDOVER_MS), () => {
        giveUp.cancelled = true;
        const isWhole = !from.ended && !to.ended && to.up && !to.hung && !from.hung;
        if (!isWhole || luck < 0.12 || !cells.canReach(to, from)) {
          release();
          return resolve('broken');
        }
        to.storage.log = [...from.storage.log];
        cells.promote(to, 'handed');
        cells.demote(from, `sim://${member.member}`);
        resolve('done');
      });
    });
    const result = await happened;
    await quick(what, () => undefined, signal);
    if (result === 'broken') throw new LeafwardError('failed', `${what}: it did not happen`);
    if (luck > 0.9) {
      await call({ what, ms: 15_000, signal, act: () => undefined });
      throw new LeafwardError('timeout', `${what}: no answer; it may or may not lead now`);
    }
  };

  const engine: Partial<Engine> = {
    kind: 'synapse',
    observe: async (member) => {
      const run = runOf(member);
      const silentMs = run?.hung === true ? OBSERVE_DEADLINE_MS : random.between(0.3, 10);
      return call({
        what: 'observe',
        ms: silentMs,
        act: () => {
          const now = runOf(member);
          return now?.up === true && !now.hung
            ? factOf(now)
            : { answered: false, error: 'no answer' };
        },
      });
    },
    readStoredRole: (member) =>
      quick('read role', () => ({
        upstreamUrl: cells.findStorage(host.name, member.spec.storage)?.mirror,
      })),
    writeRole: (member, wanted) =>
      quick('write role', () => {
        storageOf(member).mirror = wanted.role === 'leader' ? null : wanted.upstreamUrl;
      }),
    writeRetired: (member, url) =>
      quick('write retired role', () => {
        storageOf(member).mirror = url ?? 'sim://nowhere';
      }),
    backupRoom: () =>
      quick('room', () => ({ needBytes: 1e6, freeBytes: 1e9, rule: 'simulated, 1 MB' })),
    backup: async (member, { name, onProgress }, signal) => {
      unlessDown(member, 'back up');
      const { storage } = member.spec;
      const copy = copies.begin({ member: member.member, storage, name });
      onProgress('copying');
      acts.backingUp(member.member);
      let isDone = false;
      try {
        const made = await call({
          what: `back up ${member.member}`,
          ms: random.between(800, 3500),
          signal,
          act: () => copy.keep(unlessDown(member, 'back up')),
        });
        isDone = true;
        return made;
      } finally {
        copy.end();
        if (process.alive) acts.backupEnded(member.member, isDone);
      }
    },
    promote: async (member, { graceful }, signal) => {
      const what = `promote ${member.member}`;
      acts.promoting(member.member, graceful);
      let isDone = false;
      try {
        isDone = await quick(what, () => unlessDown(member, what).active, signal);
        if (isDone) return;
        if (graceful) await handOver(member, signal);
        else await quick(what, () => cells.promote(unlessDown(member, what), 'forced'), signal);
        if (!graceful && random.chance(0.08))
          throw new LeafwardError('failed', `${what}: the line broke; it may or may not lead now`);
        isDone = true;
      } finally {
        if (process.alive) acts.promotionEnded(member.member, isDone);
      }
    },
    probeHistory: (member, offset, signal) =>
      quick(
        'probe history',
        () => {
          const entry = unlessDown(member, 'ask').storage.log[offset];
          if (entry === undefined) throw new LeafwardError('not-found', `no entry at ${offset}`);
          return { offset, sha256: createHash('sha256').update(String(entry)).digest('hex') };
        },
        signal,
      ),
    probeLeader: async (_, { url, timeoutMs }, signal) => {
      const what = `ask ${url}`;
      const leader = /^(?:sim|tcp):\/\/(.+?)(?::1)?$/.exec(url)?.[1];
      if (leader === undefined) throw new LeafwardError('invalid', `${what}: no such leader`);
      const beganAt = scheduler.now;
      const hears = (): boolean => cells.isHeard(host.name, leader);
      // One that hangs takes the connection, and one behind a line that is cut says nothing: the whole time is waited.
      let answered = await quick(what, hears, signal);
      if (!answered && !cells.isRefused(host.name, leader))
        answered = await call({ what, ms: timeoutMs, signal, act: hears });
      const said = answered ? 'hello' : 'no answer';
      return { answered, said, tookMs: Math.round(scheduler.now - beganAt) };
    },
    migrationIn: (line) => (line.startsWith('beginning model migration') ? 'running' : undefined),
    abilities: () => ({ seeds: false, repoints: false, storesPosition: false }),
    storedPosition: () => Promise.resolve(undefined),
    restore: (member, { backupPath }, signal) =>
      quick('restore', () => copies.putBack(storageOf(member), backupPath), signal),
    test: () => Promise.resolve([]),
    forget: () => undefined,
  };
  return engine as Engine;
}
