// What must never happen, asked after every event that could make it happen. Works on the truth of the simulated
// world and on what was made durable, never on what the programs believe. docs/testing.md says what each one covers.
import type { Change } from '@leafward/controller/changes.js';
import type { JournalRecord } from '@leafward/agent/journal.js';
import type { MemberIntent, Operation, Outcome, Request } from '@leafward/shared/gen/domain.js';
import type { Topology } from '@leafward/shared/topology.js';
import { isOlder, isWritable, versionOf, type Run, type Storage } from './cells.js';
import { readNow } from './disk.js';
import type { DriverActs } from './drivers.js';
import { SECRET, storagePath } from './layouts.js';
import type { Direction } from './network.js';
import type { RunningAgent } from './programs/agent.js';
import type { SimProcess } from './scheduler.js';
import type { World } from './world.js';

interface ServiceTruth {
  /** Whoever led last, by what clients could see. */
  leader: string | undefined;
  /** Acknowledged writes of the surviving line, in order. */
  line: number[];
  lost: number;
  topology: Topology | undefined;
  /** Highest term that was ever committed. */
  term: number;
}

/** What an agent has on its disk, over its lives; until somebody wipes it. */
interface Memory {
  generation: number;
  epoch: number;
  readonly terms: Map<string, number>;
  /** Of the newest order, by name. */
  members: ReadonlyMap<string, MemberIntent>;
  readonly started: Map<string, Request>;
  /** Begun requests of a kind and member that no act has used up. */
  readonly mayAct: Map<string, number>;
  /** Acts that ended well and are not told yet. */
  readonly succeeded: Set<string>;
}

const newMemory = (): Memory => ({
  generation: 0,
  epoch: 0,
  terms: new Map(),
  members: new Map(),
  started: new Map(),
  mayAct: new Map(),
  succeeded: new Set(),
});

/** Longer than what a decision rests on is old. */
const WELL_MS = 15_000;

export class Checkers {
  readonly violations: string[] = [];
  readonly services = new Map<string, ServiceTruth>();
  /** Keys of storages that an agent or a controller has written down as retired: nothing starts there. */
  readonly retired = new Set<string>();
  /** Those whose term is over by a controller's word: whoever is there was stopped before. */
  readonly deposed = new Set<string>();
  readonly memories = new Map<string, Memory>();
  /** After this everything that a store could have said may be old. */
  storeWasPutBack = false;
  counts = {
    acknowledged: 0,
    leads: 0,
    failovers: 0,
    handovers: 0,
    refused: 0,
    operations: 0,
    automatic: 0,
  };
  #epoch = 0;
  readonly #promoting = new Set<string>();
  readonly #backingUp = new Map<string, string>();
  readonly #begunUpdates = new Set<string>();
  /** Moves whose begin was looked at. */
  readonly #stopped = new Set<string>();

  constructor(readonly world: World) {}

  serviceOf(name: string): ServiceTruth {
    let found = this.services.get(name);
    if (found === undefined) {
      found = { leader: undefined, line: [], lost: 0, topology: undefined, term: 0 };
      this.services.set(name, found);
    }
    return found;
  }

  violation(invariant: string, text: string): void {
    const line = `${invariant}: ${text}`;
    if (this.violations.length < 20) this.violations.push(line);
    this.world.line('VIOLATION', line);
  }

  bug(who: string, text: string): void {
    this.violation('bug', `${who}: ${text.split('\n').slice(0, 6).join(' | ')}`);
  }

  // --- programs of services -------------------------------------------------------------------------------------

  starting(run: Run): void {
    const { container, storage } = run;
    const { member, service, host } = container;
    this.world.line(member, `program starts, version ${run.version}, mirror ${storage.mirror}`);
    if (!this.retired.has(storage.key)) this.#clean.add(run);
    else if (this.#startedByHand !== storage.key)
      this.violation('I2', `${member} starts from the retired storage ${storage.key}`);
    this.#assertAlone(run, host);
    // A store that was put back has forgotten an update, and nothing on a host remembers it.
    const isExcused = this.storeWasPutBack;
    if (!isExcused && storage.version !== undefined && isOlder(run.version, storage.version))
      this.violation('I5', `${member} starts with ${run.version} on data of ${storage.version}`);
    this.#assertOrder(run, service);
  }

  /** Runs whose storage was not retired when they began. */
  readonly #clean = new WeakSet<Run>();

  /** Somebody starts what is on this storage now: nobody's mistake but theirs. */
  byHand(storageKey: string): void {
    this.#startedByHand = storageKey;
    this.world.scheduler.after(0.001, () => (this.#startedByHand = undefined));
  }
  #startedByHand: string | undefined;

  #assertAlone(run: Run, host: string): void {
    const { cells } = this.world;
    for (const other of cells.containers.values())
      if (other.run !== run && other.run?.ended === false && other.run.storage === run.storage)
        this.violation(
          'I9',
          `${other.member} and ${run.container.member} share ${run.storage.key}`,
        );
    for (const [name, storage] of cells.strangers)
      if (storage === run.storage && storage.host === host)
        this.violation('I9', `${run.container.member} starts beside ${name} on ${storage.key}`);
  }

  /** I3: a version that is new to this storage comes to those below first. */
  #assertOrder({ container: { member }, storage, version }: Run, service: string): void {
    const { topology } = this.serviceOf(service);
    if (topology === undefined || storage.version === undefined) return;
    if (!isOlder(storage.version, version)) return;
    for (const [below, upstream] of Object.entries(topology.upstreams)) {
      const container = this.#containerOf(below);
      if (upstream !== member || container === undefined) continue;
      const theirs = versionOf(container.spec.image.reference);
      if (isOlder(theirs, version))
        this.violation('I3', `${member} starts ${version} while ${below} below it has ${theirs}`);
    }
  }

  #containerOf(member: string) {
    for (const container of this.world.cells.containers.values())
      if (container.member === member) return container;
    return undefined;
  }

  leads(run: Run, how: 'start' | 'forced' | 'handed'): void {
    const { member, service } = run.container;
    const truth = this.serviceOf(service);
    this.counts.leads += 1;
    this.world.line(member, `leads (${how}), position ${run.storage.log.length}`);
    for (const other of this.world.cells.running(service))
      if (other !== run && other.active && !other.handsOver)
        this.violation('I1', `${member} leads (${how}) while ${other.container.member} does`);
    const isDue = how === 'start' && isChosen(truth, member);
    if (how === 'start' && !isDue && truth.leader !== undefined && truth.leader !== member)
      this.violation('I1', `${member} leads by its storage although ${truth.leader} led after it`);
    // A leader that was retired in the middle of its start is one that has not been stopped yet, like any other.
    const isNotStoppedYet = how === 'start' && truth.leader === member && this.#clean.has(run);
    if (this.retired.has(run.storage.key) && !isNotStoppedYet)
      this.violation('I2', `${member} leads and is retired`);
    if (how === 'forced' || isDue) this.#failedOver(truth, run);
    else this.#assertWhole(truth, run, how);
    if (how === 'forced') this.counts.failovers += 1;
    if (how === 'handed') this.counts.handovers += 1;
    truth.leader = member;
  }

  /** What the chosen one had not is lost, as the plan said; the rest is the line from now on. */
  #failedOver(truth: ServiceTruth, { storage, container }: Run): void {
    const { log } = storage;
    const isPrefix = log.every((write, at) => truth.line[at] === write);
    if (!isPrefix)
      this.violation(
        'writes',
        `${container.member} was chosen with another history than the line's`,
      );
    truth.lost += Math.max(0, truth.line.length - log.length);
    truth.line = [...log];
  }

  #assertWhole(truth: ServiceTruth, { storage, container }: Run, how: string): void {
    const missing = truth.line.findIndex((write, at) => storage.log[at] !== write);
    if (missing >= 0)
      this.violation(
        'writes',
        `${container.member} leads (${how}) without write ${missing} of ${truth.line.length}`,
      );
  }

  ended({ container: { member } }: Run): void {
    this.world.line(member, 'is down');
  }

  acknowledged({ container: { member, service }, storage }: Run, write: number): void {
    const truth = this.serviceOf(service);
    this.counts.acknowledged += 1;
    if (truth.leader !== member)
      this.violation('I1', `${member} took a write although ${truth.leader} led after it`);
    if (this.deposed.has(storage.key))
      this.violation('I2', `${member} took a write and is retired`);
    truth.line.push(write);
  }

  // --- controllers ----------------------------------------------------------------------------------------------

  tookOver(epoch: number): void {
    if (epoch <= this.#epoch && !this.storeWasPutBack)
      this.violation('I11', `epoch ${epoch} was given after ${this.#epoch}`);
    this.#epoch = Math.max(epoch, this.#epoch);
  }

  committed(process: SimProcess, changes: readonly Change[], epoch: number): void {
    if (epoch < this.#epoch && !this.storeWasPutBack)
      this.violation(
        'I11',
        `${process.name} commits in epoch ${epoch}, ${this.#epoch} has taken over`,
      );
    for (const change of changes) {
      if (change.kind === 'service') this.#newTopology(change.name, change.state.topology);
      if (change.kind === 'operation') this.#newOperation(process, change.operation);
      if (change.kind === 'operation')
        for (const event of change.events) this.#told(process, change.operation, event);
      if (change.kind === 'plan') this.text(process.name, JSON.stringify(change.plan));
    }
  }

  #told(process: SimProcess, { id, goal }: Operation, event: string): void {
    this.world.line(process.name, `${id} ${goal.kind}: ${event}`);
    this.text(process.name, event);
  }

  #newTopology(name: string, topology: Topology): void {
    const truth = this.serviceOf(name);
    if (!this.storeWasPutBack) {
      if (topology.term < truth.term)
        this.violation('I11', `the term of ${name} falls from ${truth.term} to ${topology.term}`);
      if (topology.term === truth.term && truth.topology?.leader !== undefined)
        if (truth.topology.leader !== topology.leader)
          this.violation('I1', `${name} has two leaders in term ${topology.term}`);
    }
    const forced = topology.retired.find(({ term }) => term === topology.term);
    const isNew = topology.term > truth.term;
    truth.topology = topology;
    truth.term = Math.max(truth.term, topology.term);
    for (const { member, term } of topology.retired) {
      if (term !== topology.term) continue;
      const storage = this.storageOf(member);
      if (storage === undefined) continue;
      this.retired.add(storage.key);
      this.deposed.add(storage.key);
    }
    if (forced === undefined || !isNew) return;
    const old = this.world.cells.runOf(forced.member);
    if (old?.active === true)
      this.violation('I1', `term ${topology.term} of ${name} begins while ${forced.member} leads`);
    this.#assertMarked(name, forced.member);
    this.#assertBestChosen(name, topology);
  }

  /** I2: its own agent was there to fence it, so its storage says so to whoever comes after that agent. */
  #assertMarked(service: string, member: string): void {
    const operation = this.#forcing.get(service);
    const index = operation?.moves.findIndex((move) => move.kind === 'fence') ?? -1;
    const note = operation?.progress[index]?.note ?? '';
    const storage = this.storageOf(member);
    if (storage === undefined || !note.endsWith('its storage says retired')) {
      // Silent, said to be off or run out: its own agent does it when it is back.
      if (storage !== undefined && note.includes('stopped')) this.world.line(member, note);
      return;
    }
    const { data } = this.world.machine(storage.host);
    const marker = readNow(data, `${storage.path}/.leafward.json`);
    if (marker === undefined || !marker.includes('"retired"'))
      this.violation('I2', `${member} is deposed and its storage does not say so: ${marker}`);
  }

  storageOf(member: string): Storage | undefined {
    for (const { name, host } of this.#members)
      if (name === member) return this.world.cells.findStorage(host, storagePath(member));
    return undefined;
  }

  get #members() {
    return this.world.options.layout.services.flatMap(({ members }) => members);
  }

  /** Of the mirrors that could be asked all the time since the fence, none may have had more. */
  #assertBestChosen(name: string, topology: Topology): void {
    const operation = this.#forcing.get(name);
    if (operation === undefined || operation.goal.kind !== 'failover') return;
    if (operation.goal.to !== undefined) return;
    const chosen = this.storageOf(topology.leader)?.log.length ?? 0;
    for (const member of Object.keys(topology.upstreams)) {
      const run = this.world.cells.runOf(member);
      const isSeen = this.world.isInSight(run?.container.host ?? '');
      if (run?.up !== true || run.hung || !isSeen || !operation.moves.some(isCandidate(member)))
        continue;
      if (this.world.now - run.wellSince < 15_000) continue;
      if (run.storage.log.length > chosen)
        this.violation(
          'choice',
          `${topology.leader} at ${chosen} was chosen before ${member} at ${run.storage.log.length}`,
        );
    }
  }
  /** By service: the failover whose choice was made last. */
  readonly #forcing = new Map<string, Operation>();

  #newOperation(process: SimProcess, operation: Operation): void {
    const { id, goal, moves, progress, services } = operation;
    const begun = moves.filter((_, index) => progress[index]?.state === 'begun');
    if (goal.kind === 'failover') {
      for (const service of services) this.#forcing.set(service, operation);
      if (goal.automatic !== undefined && !this.#known.has(id)) this.#assertNeeded(goal.service);
      this.#known.add(id);
    }
    if (operation.state === 'done') this.counts.operations += 1;
    if (isOpen(operation)) this.#open.set(id, operation);
    else this.#open.delete(id);
    if (begun.length === 0) return;
    this.#assertAloneAt(operation);
    const changes = begun.find((move) => move.kind === 'recreate');
    if (changes === undefined) return;
    if (!this.#stopped.has(`${id} ${changes.id}`)) {
      this.#stopped.add(`${id} ${changes.id}`);
      this.#assertOthersUp(process, operation, changes.service, changes.member);
    }
    if (goal.kind === 'update' && !this.#begunUpdates.has(id))
      this.#assertBackup(id, changes.service);
  }
  readonly #open = new Map<string, Operation>();

  readonly #known = new Set<string>();

  /** Nobody asked for it: a leader that has been well and in reach for a while is left alone. */
  #assertNeeded(service: string): void {
    const run = this.world.cells.running(service).find(isWritable);
    this.counts.automatic += 1;
    if (run === undefined || this.world.now - run.wellSince < WELL_MS) return;
    const { host, member } = run.container;
    if (this.serviceOf(service).topology?.leader === member && this.world.isInSight(host))
      this.violation('false failover', `${member} leads ${service}, is well and in sight`);
  }

  /** I10: of two operations on one service only one has ever begun anything. */
  #assertAloneAt({ id, goal, services }: Operation): void {
    if (this.storeWasPutBack) return;
    for (const other of this.#open.values()) {
      if (other.id === id || !other.services.some((service) => services.includes(service)))
        continue;
      if (other.progress.every(({ state }) => state === 'pending')) continue;
      this.violation(
        'I10',
        `${id} (${goal.kind}) and ${other.id} (${other.goal.kind}) are both at work`,
      );
    }
  }

  /** I6, in truth: a backup of that service lies on some disk. */
  #assertBackup(id: string, service: string): void {
    this.#begunUpdates.add(id);
    const backups = [...this.world.machines.values()].flatMap((machine) => machine.backups);
    const found = backups.some((backup) => backup.service === service);
    if (!found) this.violation('I6', `${id} updates ${service}, which has no backup`);
  }

  /** I4, by what that very controller was told: whoever is stopped, all others that it sees run. */
  #assertOthersUp(
    process: SimProcess,
    operation: Operation,
    service: string,
    stopped: string,
  ): void {
    const { fleet } = this.world.controllers.find((one) => one.process === process)?.running ?? {};
    if (fleet === undefined || operation.goal.kind === 'deploy') return;
    const { topology } = this.serviceOf(service);
    const members = [topology?.leader ?? '', ...Object.keys(topology?.upstreams ?? {})];
    for (const host of fleet.liveHosts()) {
      if (host.session === undefined) continue;
      for (const member of members) {
        const fact = host.members[member]?.value;
        const intent = fleet.intent(host.name)?.members.find((one) => one.member === member);
        if (member === stopped || fact === undefined || intent?.run !== 'running') continue;
        if (fact.container.state === 'exited' || fact.container.state === 'absent')
          this.violation('I4', `${stopped} is stopped while ${member} is ${fact.container.state}`);
      }
    }
  }

  // --- agents ---------------------------------------------------------------------------------------------------

  memoryOf(host: string): Memory {
    let found = this.memories.get(host);
    if (found === undefined) this.memories.set(host, (found = newMemory()));
    return found;
  }

  agentStarted(host: string, running: RunningAgent): void {
    const { generation, epoch } = this.memoryOf(host);
    const known = running.order();
    if (known.generation < generation || (known.generation === generation && known.epoch < epoch))
      this.violation(
        'I11',
        `the agent of ${host} has forgotten order ${generation} (epoch ${epoch}), it knows ${known.generation} (${known.epoch})`,
      );
  }

  /** Its disk was emptied: it is a new agent. */
  forgotten(host: string): void {
    this.memories.delete(host);
  }

  record(host: string, record: JournalRecord): void {
    const memory = this.memoryOf(host);
    switch (record.kind) {
      case 'intent-accepted': {
        const { generation, epoch, members } = record.intent;
        if (epoch < memory.epoch || generation < memory.generation)
          this.violation(
            'I11',
            `${host} accepts order ${generation} of epoch ${epoch} after ${memory.generation} of ${memory.epoch}`,
          );
        for (const { service, term, run } of members) {
          if (run === 'retired') continue;
          if (term < (memory.terms.get(service) ?? 0))
            this.violation('I11', `${host} accepts term ${term} of ${service} after a newer one`);
          memory.terms.set(service, Math.max(term, memory.terms.get(service) ?? 0));
        }
        memory.generation = generation;
        memory.epoch = epoch;
        memory.members = new Map(members.map((one) => [one.member, one]));
        return;
      }
      case 'request-started':
        return this.#requestStarted(host, memory, record.request);
      case 'retired':
        this.#retire(host, record.retirement.storage);
        return;
      case 'request-settled':
        return this.#settled(host, memory, record.outcome);
      default:
    }
  }

  /** An outcome is what happened, never what is likely. */
  #settled(host: string, memory: Memory, { requestId, state }: Outcome): void {
    if (state === 'refused') this.counts.refused += 1;
    const request = memory.started.get(requestId);
    if (state !== 'succeeded' || request === undefined) return;
    const key = `${request.kind} ${request.member}`;
    if (request.kind !== 'promote' && request.kind !== 'run-backup') return;
    if (!memory.succeeded.delete(key))
      this.violation('I12', `${host} says that ${key} succeeded, which it did not`);
  }

  #requestStarted(host: string, memory: Memory, request: Request): void {
    const { id, kind, member, epoch, term } = request;
    const isAct = kind === 'promote' || kind === 'run-backup';
    if (epoch < memory.epoch)
      this.violation(
        'I11',
        `${host} begins ${kind} ${id} of epoch ${epoch}, it knows ${memory.epoch}`,
      );
    const service = member.split('.').slice(1).join('.');
    if (isAct && term < (memory.terms.get(service) ?? 0))
      this.violation('I11', `${host} begins ${kind} ${id} of the old term ${term}`);
    if (memory.started.has(id)) this.violation('I12', `${host} begins ${kind} ${id} twice`);
    memory.started.set(id, request);
    const key = `${kind} ${member}`;
    if (isAct) memory.mayAct.set(key, (memory.mayAct.get(key) ?? 0) + 1);
  }

  actsOf(host: string): DriverActs {
    const use = (kind: string, member: string): void => {
      const { mayAct } = this.memoryOf(host);
      const left = mayAct.get(`${kind} ${member}`) ?? 0;
      if (left === 0)
        this.violation('I12', `${kind} of ${member} without a new request on the disk`);
      mayAct.set(`${kind} ${member}`, Math.max(0, left - 1));
    };
    return {
      promoting: (member, graceful) => {
        this.world.line(member, `is ordered to lead (${graceful ? 'graceful' : 'by force'})`);
        use('promote', member);
        this.#promoting.add(member);
        if (this.#backingUp.has(member))
          this.violation('I10', `${member} is promoted while it is backed up`);
      },
      promotionEnded: (member, isDone) => {
        this.#promoting.delete(member);
        if (isDone) this.memoryOf(host).succeeded.add(`promote ${member}`);
      },
      backingUp: (member) => {
        use('run-backup', member);
        if (this.#promoting.has(member) || this.#backingUp.has(member))
          this.violation('I10', `${member} is backed up while another act is at it`);
        this.#backingUp.set(member, host);
      },
      backupEnded: (member, isDone) => {
        this.#backingUp.delete(member);
        if (isDone) this.memoryOf(host).succeeded.add(`run-backup ${member}`);
      },
    };
  }

  /** Whatever it was at has ended with it. */
  agentDied(host: string): void {
    for (const [member, at] of this.#backingUp) if (at === host) this.#backingUp.delete(member);
    for (const member of this.#promoting)
      if (this.#containerOf(member)?.host === host) this.#promoting.delete(member);
  }

  #retire(host: string, path: string): void {
    const storage = this.world.cells.findStorage(host, path);
    if (storage !== undefined) this.retired.add(storage.key);
  }

  // --- texts ----------------------------------------------------------------------------------------------------

  /** I14. */
  text(who: string, text: string): void {
    if (text.includes(SECRET)) this.violation('I14', `${who} tells a secret`);
  }

  bytes(direction: Direction, bytes: Buffer): void {
    if (direction === 'up' && bytes.includes(SECRET))
      this.violation('I14', 'an agent reports a secret');
  }

  /** For the end: everything that was acknowledged and not given up is with whoever leads. */
  assertLines(): void {
    for (const [name, truth] of this.services) {
      const leader = this.world.cells.running(name).find(isWritable);
      if (leader !== undefined) this.#assertWhole(truth, leader, 'at the end');
    }
  }
}

/** It died in the middle of its promotion by force: its term had begun, and so it is started as the leader. */
const isChosen = ({ topology, leader }: ServiceTruth, member: string): boolean =>
  topology?.leader === member &&
  topology.retired.some((one) => one.member === leader && one.term === topology.term);

const isOpen = ({ state }: Operation): boolean => state === 'running' || state === 'paused';

const isCandidate =
  (member: string) =>
  (move: Operation['moves'][number]): boolean =>
    move.kind === 'choose' && move.candidates.includes(member);
