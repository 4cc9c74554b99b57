// The services: storages with logs, containers, programs that lead or mirror. They misbehave as Vertex Synapse was
// measured to: a promotion by force leads whoever else does, a mirror of a leader that hangs says it has a line, a
// log that differs is followed without a word, a hand-over may end in its middle. Knows nothing of Leafward.
import { createHash } from 'node:crypto';
import type { ContainerSpec } from '@leafward/agent/runtimes/runtime.js';
import { putNow, readNow, type Disk } from './disk.js';
import type { Random } from './random.js';
import type { Scheduler } from './scheduler.js';

export interface Storage {
  readonly key: string;
  readonly host: string;
  readonly path: string;
  /** cell.mods.yaml: null leads, text mirrors, undefined: never written. */
  mirror: string | null | undefined;
  iden: string | undefined;
  /** Ids of writes; an acknowledged one is on the disk. */
  log: number[];
  /** Newest version that has opened it. */
  version: string | undefined;
}

export interface Container {
  readonly id: string;
  readonly member: string;
  readonly service: string;
  readonly host: string;
  readonly spec: ContainerSpec['spec'];
  readonly specDigest: string;
  state: 'created' | 'running' | 'exited';
  restartPolicy: string;
  startedAt: number;
  exitCode: number | undefined;
  run: Run | undefined;
}

export interface Run {
  readonly id: string;
  readonly container: Container;
  readonly storage: Storage;
  readonly version: string;
  /** Its socket answers. */
  up: boolean;
  active: boolean;
  upstream: string | undefined;
  /** As by SIGSTOP, or a disk that does not come back. */
  hung: boolean;
  /** True time since when it is up and does not hang. */
  wellSince: number;
  /** 1, or many for one that follows slowly. */
  readonly slowness: number;
  /** Inside a hand-over: it takes no writes and does not know yet that it leads no more. */
  handsOver: boolean;
  migrating: boolean;
  ended: boolean;
}

export interface CellEvents {
  starting(run: Run): void;
  /** By its storage at a start, by an order with force, or handed over. */
  leads(run: Run, how: 'start' | 'forced' | 'handed'): void;
  ended(run: Run): void;
  acknowledged(run: Run, write: number): void;
  line(member: string, text: string): void;
}

export interface CellsOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly events: CellEvents;
  readonly wallOf: (host: string) => number;
  /** Both ways, as a program of one host sees the other. */
  readonly diskOf: (host: string) => Disk;
  readonly canTalk: (from: string, to: string) => boolean;
}

const IDENTITY = 'cell.guid';
/** Measured: 1–2 s for small cells, 6–21 s for a big one; the tail is a busy disk. */
const BOOT_MS = [900, 6000] as const;
const SLOW_BOOT_MS = [8000, 21_000] as const;
const MIGRATION_MS = [1000, 9000] as const;
const STOP_MS = [200, 900] as const;
const REPLICATE_MS = [60, 350] as const;

export class Cells {
  readonly storages = new Map<string, Storage>();
  /** By member; a container made by hand has a name of its own. */
  readonly containers = new Map<string, Container>();
  /** A program that another container of the host runs on a storage: name → storage. */
  readonly strangers = new Map<string, Storage>();
  readonly #ofMember = new Map<string, Container>();
  #made = 0;
  #runs = 0;
  #writes = 0;

  constructor(readonly options: CellsOptions) {}

  /** By the file that each has: data that is moved aside stays the same storage, data that is wiped is gone. */
  findStorage(host: string, path: string): Storage | undefined {
    const key = readNow(this.options.diskOf(host), `${path}/${IDENTITY}`);
    return key === undefined ? undefined : this.storages.get(key);
  }

  storageOf(host: string, path: string): Storage {
    const found = this.findStorage(host, path);
    if (found !== undefined) return found;
    const key = `${host}:${path}#${(this.#made += 1)}`;
    const made: Storage = {
      ...{ key, host, path, mirror: undefined, iden: undefined, log: [], version: undefined },
    };
    this.adopt(made);
    return made;
  }

  adopt(storage: Storage): void {
    this.storages.set(storage.key, storage);
    // A storage that is made later must not be taken for one of before.
    this.#made = Math.max(this.#made, Number(storage.key.split('#')[1] ?? 0));
    putNow(this.options.diskOf(storage.host), `${storage.path}/${IDENTITY}`, storage.key);
  }

  continueWritesFrom(write: number): void {
    this.#writes = write;
  }

  runOf(member: string): Run | undefined {
    const run = this.#ofMember.get(member)?.run;
    return run?.ended === false ? run : undefined;
  }

  running(service: string): readonly Run[] {
    const runs: Run[] = [];
    for (const { run, service: of } of this.containers.values())
      if (of === service && run?.ended === false) runs.push(run);
    return runs;
  }

  create(host: string, container: ContainerSpec): Container {
    const id = createHash('sha256')
      .update(`${host} ${(this.#made += 1)}`)
      .digest('hex');
    const made: Container = {
      id,
      member: container.member,
      service: container.service,
      host,
      spec: container.spec,
      specDigest: container.specDigest,
      state: 'created',
      restartPolicy: 'no',
      startedAt: 0,
      exitCode: undefined,
      run: undefined,
    };
    this.containers.set(`${host}:${made.member}`, made);
    this.#ofMember.set(made.member, made);
    return made;
  }

  remove(host: string, member: string): void {
    this.containers.delete(`${host}:${member}`);
    this.#ofMember.delete(member);
  }

  start(container: Container): void {
    const { random, scheduler, events, wallOf } = this.options;
    const storage = this.storageOf(container.host, container.spec.storage);
    const version = versionOf(container.spec.image.reference);
    const run: Run = {
      id: `run-${(this.#runs += 1)}`,
      container,
      storage,
      version,
      up: false,
      active: false,
      upstream: undefined,
      hung: false,
      wellSince: Infinity,
      slowness: random.chance(0.25) ? random.between(5, 20) : 1,
      handsOver: false,
      migrating: false,
      ended: false,
    };
    container.run = run;
    container.state = 'running';
    container.startedAt = Math.round(wallOf(container.host));
    container.exitCode = undefined;
    events.starting(run);
    if (storage.version !== undefined && isOlder(version, storage.version)) {
      // A newer version's data: it ends, again and again.
      scheduler.after(random.between(500, 1500), () => this.end(run, 1));
      return;
    }
    run.migrating = storage.version !== undefined && storage.version !== version;
    storage.version = version;
    const bootMs = random.chance(0.1)
      ? random.between(...SLOW_BOOT_MS)
      : random.between(...BOOT_MS);
    const migrationMs = run.migrating ? random.between(...MIGRATION_MS) : 0;
    scheduler.after(bootMs + migrationMs, () => this.#boot(run));
  }

  #boot(run: Run): void {
    const { scheduler, random, events } = this.options;
    if (run.ended) return;
    if (run.hung) return void scheduler.after(500, () => this.#boot(run));
    const { storage } = run;
    if (typeof storage.mirror === 'string') {
      run.upstream = storage.mirror;
      const upstream = this.runOf(memberOf(storage.mirror));
      // The first boot of a mirror is a copy of its upstream.
      if (storage.iden === undefined) {
        if (upstream === undefined || !this.#hears(run, upstream))
          return void scheduler.after(random.between(300, 900), () => this.#boot(run));
        storage.iden = upstream.storage.iden;
        storage.log = [...upstream.storage.log];
      }
      this.#replicate(run);
    } else storage.iden ??= `iden-${run.container.service}`;
    run.migrating = false;
    run.up = true;
    run.wellSince = scheduler.now;
    if (storage.mirror === null || storage.mirror === undefined) {
      run.active = true;
      events.leads(run, 'start');
    }
  }

  end(run: Run, exitCode: number): void {
    if (run.ended) return;
    run.ended = true;
    run.up = false;
    run.active = false;
    run.container.state = 'exited';
    run.container.exitCode = exitCode;
    this.options.events.ended(run);
  }

  /** Resolves when it is stopped; one that hangs is killed after its grace. */
  stopAfterMs(run: Run, graceMs: number): number {
    return run.hung ? graceMs : Math.min(graceMs, this.options.random.between(...STOP_MS));
  }

  /** What clients see: whoever leads, answers and takes writes. */
  write(run: Run): void {
    if (!isWritable(run)) return;
    const write = (this.#writes += 1);
    run.storage.log.push(write);
    this.options.events.acknowledged(run, write);
  }

  #replicate(run: Run): void {
    const { scheduler, random } = this.options;
    scheduler.after(run.slowness * random.between(...REPLICATE_MS), () => {
      if (run.ended || run.active) return;
      const upstream = run.upstream === undefined ? undefined : this.runOf(memberOf(run.upstream));
      if (upstream?.up === true && this.#hears(run, upstream) && !this.isReadOnly(run, upstream)) {
        // By position alone: what differs below it is never noticed.
        const { log } = run.storage;
        for (let at = log.length; at < upstream.storage.log.length; at += 1)
          log.push(upstream.storage.log[at] as number);
      }
      this.#replicate(run);
    });
  }

  /** A mirror whose upstream is newer stops following. */
  isReadOnly(run: Run, upstream: Run): boolean {
    return isOlder(run.version, upstream.version);
  }

  upstreamRun(run: Run): Run | undefined {
    return run.upstream === undefined ? undefined : this.runOf(memberOf(run.upstream));
  }

  #hears(run: Run, upstream: Run): boolean {
    return !run.hung && !upstream.hung && this.canReach(run, upstream);
  }

  canReach(run: Run, other: Run): boolean {
    return this.#hasLine(run.container.host, other.container.host);
  }

  /** Whether a program of that host gets a word of this member's program. */
  isHeard(from: string, member: string): boolean {
    const run = this.runOf(member);
    return run?.up === true && !run.hung && this.#hasLine(from, run.container.host);
  }

  /** Its host says that nobody listens there. */
  isRefused(from: string, member: string): boolean {
    const host = this.#ofMember.get(member)?.host;
    if (host === undefined || !this.#hasLine(from, host)) return false;
    return this.runOf(member)?.up !== true;
  }

  #hasLine(from: string, to: string): boolean {
    const { canTalk } = this.options;
    return from === to || (canTalk(from, to) && canTalk(to, from));
  }

  /** Leads from now on, whoever else does. */
  promote(run: Run, how: 'forced' | 'handed'): void {
    run.storage.mirror = null;
    run.upstream = undefined;
    run.active = true;
    this.options.events.leads(run, how);
  }

  demote(run: Run, upstreamUrl: string): void {
    run.handsOver = false;
    run.active = false;
    run.storage.mirror = upstreamUrl;
    run.upstream = upstreamUrl;
    this.#replicate(run);
  }

  powerCut(host: string): void {
    for (const { run } of this.containers.values())
      if (run?.container.host === host) this.end(run, 137);
    for (const [name, storage] of this.strangers)
      if (storage.host === host) this.strangers.delete(name);
  }
}

/** Clients get no answer from one that hangs or hands over. */
export const isWritable = (run: Run): boolean =>
  run.up && run.active && !run.ended && !run.hung && !run.handsOver;

/** sim://01.cortex → 01.cortex */
export const memberOf = (url: string): string => url.replace(/^sim:\/\//, '');

export const versionOf = (reference: string): string =>
  /:v?(\d+\.\d+\.\d+)$/.exec(reference)?.[1] ?? '0.0.0';

export function isOlder(a: string, b: string): boolean {
  if (a === b) return false;
  const [left, right] = [a, b].map((text) => text.split('.').map(Number));
  for (let index = 0; index < 3; index += 1) {
    const difference = (left?.[index] ?? 0) - (right?.[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
