// A tiny pure-ish model of hosts that carry intents and requests out: late, in any order, crashing, repeating.
// It knows nothing of planning; what it does wrong when told wrong is what the tests look for.
import { changesOf } from '@leafward/controller/apply-effects.js';
import type { Change } from '@leafward/controller/changes.js';
import { permitsFor } from '@leafward/controller/permits.js';
import { leasesAfter, leasesOf } from '@leafward/controller/planning/lease.js';
import { advance, newOperation, planGoal } from '@leafward/controller/planning/index.js';
import type {
  HostLeases,
  HostState,
  Rehearsal,
  RequestState,
  ServiceState,
  Snapshot,
} from '@leafward/controller/snapshot.js';
import type {
  Backup,
  Death,
  Goal,
  HostIntent,
  Image,
  MemberFact,
  MemberIntent,
  Operation,
  Outcome,
  Plan,
} from '@leafward/shared/gen/domain.js';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import type { Manifest } from '@leafward/shared/manifest/types.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import {
  DEFAULT_TREE,
  HOSTS,
  manifestOf,
  stackManifest,
  type StackOptions,
  type TreeOptions,
} from './manifests.js';
import { exactGoal, imagesFor, mayBeOlder } from './updates-model.js';

export { HOSTS, manifestOf, stackManifest, type StackOptions, type TreeOptions };

export const START = 1_000_000_000_000;

/** A member as it really is on its host. */
export interface Cell {
  running: boolean;
  exists: boolean;
  intent: MemberIntent;
  runId: number;
  active: boolean;
  upstream: string | undefined;
  /** Its log: what was written in which term; equal prefixes are equal histories. */
  log: number[];
  retiredAtTerm: number | undefined;
  /** Term of the last promotion that its agent carried out; an older intent has no say in its role (I11). */
  promotedAtTerm: number;
  /** Takes no writes until it is started again. */
  fenced: boolean;
  /** Id of the reseed that filled it, to the end. */
  reseeded: string | undefined;
  isOfBackup?: boolean;
  /** What lies beside its storage, and what of it is gone for ever. */
  aside: (readonly number[])[];
  starts: number;
  startsSinceRetired: number;
  /** It ended although it was to run; until it is started again. */
  death?: Death | undefined;
}

export interface Machine {
  connected: boolean;
  /** Powered off: runs nothing, answers nothing; its cells' storage stays. */
  off: boolean;
  intent: HostIntent | undefined;
  accepted: number;
  outcomes: Map<string, Outcome>;
  cells: Map<string, Cell>;
}

export class World {
  now = START;
  controllerStartedAt = START - 3_600_000;
  manifest: Manifest | undefined;
  services: Record<string, ServiceState> = {};
  intents: Record<string, HostIntent> = {};
  requests: Record<string, RequestState> = {};
  operations: Operation[] = [];
  backups: Backup[] = [];
  /** Entries of logs before this one are gone. */
  trimmedBelow = 0;
  secrets: Readonly<Record<string, number>> = {};
  rehearsals: readonly Rehearsal[] = [];
  history: Readonly<Record<string, number>> = {};
  /** Logs as backups hold them, by name. */
  readonly backedUp = new Map<string, readonly number[]>();
  /** False: how far a stopped member's log goes cannot be read. */
  storesPosition = true;
  /** False: a running leader cannot be fenced. */
  stepsDown = true;
  /** Acknowledged writes that a hand-over must not lose, by service. */
  readonly acknowledged: number[] = [];
  readonly machines = new Map<string, Machine>();
  readonly facts: Record<string, Record<string, { value: MemberFact; receivedAt: number }>> = {};
  readonly seen: Record<string, { at: number; accepted: number; leases?: HostLeases }> = {};
  readonly events: string[] = [];
  /** Every restart and act, for "nothing twice". */
  readonly acts: string[] = [];
  readonly violations: string[] = [];

  constructor(hosts: readonly string[]) {
    for (const host of hosts)
      this.machines.set(host, {
        connected: true,
        off: false,
        intent: undefined,
        accepted: 0,
        outcomes: new Map(),
        cells: new Map(),
      });
  }

  snapshot(): Snapshot {
    const hosts: Record<string, HostState> = {};
    for (const [name, machine] of this.machines)
      hosts[name] = {
        name,
        enrolled: true,
        revoked: false,
        connected: machine.connected && !machine.off,
        lastSeenAt: this.seen[name]?.at,
        clockOffsetMs: 0,
        intent: this.intents[name],
        answeredAtMs: this.seen[name]?.at,
        leases: this.seen[name]?.leases,
        acceptedGeneration: this.seen[name]?.accepted,
        members: this.facts[name] ?? {},
        findings: [],
      };
    return {
      now: this.now,
      fleet: 'loop',
      epoch: 1,
      controllerStartedAt: this.controllerStartedAt,
      monotonicMs: this.now,
      aloneSinceMs: this.controllerStartedAt,
      manifest: this.manifest,
      services: this.services,
      hosts,
      requests: this.requests,
      backups: this.backups,
      operations: this.operations,
      waivers: [],
      history: this.history,
      secrets: this.secrets,
      rehearsals: this.rehearsals,
    };
  }

  plan(goal: Goal): Plan {
    const images = imagesFor(this.snapshot(), goal, imageOf);
    const exact = exactGoal(this.snapshot(), goal, imageOf);
    return planGoal(this.snapshot(), exact, images);
  }

  begin(plan: Plan): Operation {
    const id = `op-${this.operations.length + this.events.length + 1}`;
    const operation = newOperation(plan, { id, createdBy: 'test', now: this.now });
    this.operations.push(operation);
    return operation;
  }

  operation(id: string): Operation | undefined {
    return this.operations.find((operation) => operation.id === id);
  }

  replace(operation: Operation): void {
    this.operations = this.operations.map((old) => (old.id === operation.id ? operation : old));
  }

  /** One pass of the controller over one operation, committed as the real one does. */
  advance(id: string): void {
    const before = this.operation(id);
    if (before === undefined || before.state !== 'running') return;
    const snapshot = this.snapshot();
    const { operation, effects, events } = advance(before, snapshot);
    this.replace(operation);
    this.events.push(...events);
    if (operation.goal.kind === 'deploy' && operation.state === 'done') {
      const parsed = parseManifest(operation.goal.manifest);
      if (parsed.ok) this.manifest = parsed.manifest;
    }
    for (const change of changesOf(snapshot, effects)) this.commit(change);
  }

  commit(change: Change): void {
    if (change.kind === 'service') {
      const before = this.services[change.name]?.topology;
      const { topology } = change.state;
      if (before !== undefined && topology.term < before.term) this.violate('a term fell (I11)');
      if (before?.term === topology.term && before.leader !== topology.leader)
        this.violate(`two leaders in term ${topology.term} (I1)`);
      this.services = { ...this.services, [change.name]: change.state };
    } else if (change.kind === 'intent') {
      const before = this.intents[change.intent.host];
      if (before !== undefined && change.intent.generation <= before.generation)
        this.violate('a generation did not grow');
      this.order(change.intent);
    } else if (change.kind === 'automatic') {
      const state = this.services[change.service]!;
      this.services = {
        ...this.services,
        [change.service]: { ...state, automatic: change.state },
      };
    } else if (change.kind === 'operation') {
      this.operations.push(change.operation);
    } else if (change.kind === 'request') {
      if (this.requests[change.state.request.id] !== undefined) this.violate('a request twice');
      this.requests = { ...this.requests, [change.state.request.id]: change.state };
    }
  }

  /** What the controller knows of leases once it has ordered something. */
  order(intent: HostIntent): void {
    const seen = this.seen[intent.host];
    this.intents = { ...this.intents, [intent.host]: intent };
    if (seen?.leases !== undefined)
      this.seen[intent.host] = { ...seen, leases: leasesAfter(seen.leases, intent) };
  }

  violate(text: string): void {
    this.violations.push(`${text} at ${this.now - START}`);
  }

  cell(name: string): Cell {
    for (const machine of this.machines.values()) {
      const cell = machine.cells.get(name);
      if (cell !== undefined) return cell;
    }
    throw new Error(`no cell ${name}`);
  }

  hostOf(name: string): string {
    for (const [host, machine] of this.machines) if (machine.cells.has(name)) return host;
    throw new Error(`no cell ${name}`);
  }

  /** A write to whoever leads and runs; returns whether somebody took it. */
  write(service: string): boolean {
    for (const machine of this.machines.values())
      for (const cell of machine.cells.values())
        if (
          cell.intent.service === service &&
          cell.running &&
          cell.active &&
          !cell.fenced &&
          !machine.off
        ) {
          const entry = cell.intent.term * 1000 + cell.log.length;
          cell.log.push(entry);
          this.acknowledged.push(entry);
          return true;
        }
    return false;
  }

  /** Mirrors copy one hop; they copy nothing from an upstream that is newer than they are (I3). */
  replicate(): void {
    for (const machine of this.machines.values())
      for (const cell of machine.cells.values()) {
        if (!cell.running || cell.active || machine.off || cell.upstream === undefined) continue;
        if (cell.intent.role === 'worker') continue;
        const upstream = this.find(cell.upstream);
        if (upstream?.running !== true || isNewer(upstream, cell)) continue;
        // What it began with stays: a log of another history is silently another one.
        const own = cell.isOfBackup === true ? cell.log : [];
        cell.log = [...own, ...upstream.log.slice(own.length)];
      }
    this.check();
  }

  private find(name: string): Cell | undefined {
    for (const machine of this.machines.values()) {
      const cell = machine.cells.get(name);
      if (cell !== undefined) return machine.off ? undefined : cell;
    }
    return undefined;
  }

  /** What must hold at every instant. */
  check(): void {
    const leaders = new Map<string, string[]>();
    for (const machine of this.machines.values())
      for (const [name, cell] of machine.cells) {
        if (!cell.running || machine.off) continue;
        if (cell.retiredAtTerm !== undefined) this.violate(`${name} is retired and runs (I2)`);
        if (cell.intent.role === 'worker') {
          this.checkWorker(name, cell);
          continue;
        }
        if (cell.active) {
          const list = leaders.get(cell.intent.service) ?? [];
          leaders.set(cell.intent.service, [...list, name]);
        }
        const upstream = cell.upstream === undefined ? undefined : this.find(cell.upstream);
        const isOlder = !cell.active && upstream?.running === true && isNewer(upstream, cell);
        if (isOlder && !mayBeOlder(this.operations, name))
          this.violate(`${name} is older than ${cell.upstream ?? ''} (I3)`);
      }
    for (const [service, names] of leaders)
      if (names.length > 1) this.violate(`${names.join(' and ')} lead ${service} (I1)`);
  }

  /** What a worker of another version does is broken logins and sends; it must never come to that. */
  private checkWorker(name: string, cell: Cell): void {
    const main = this.find(cell.upstream ?? '');
    if (main?.running === true && main.intent.spec.image.digest !== cell.intent.spec.image.digest)
      this.violate(`${name} runs beside a main process of another version`);
  }

  /** The agent takes the newest intent, if it is there. */
  receive(host: string): void {
    const machine = this.machine(host);
    const intent = this.intents[host];
    if (!machine.connected || machine.off || intent === undefined) return;
    if (intent.generation > machine.accepted) {
      machine.intent = intent;
      machine.accepted = intent.generation;
    }
  }

  /** The agent makes one member true; with nothing to do it does nothing. */
  reconcile(host: string): void {
    const machine = this.machine(host);
    if (machine.off || machine.intent === undefined) return;
    for (const intent of machine.intent.members) this.makeTrue(machine, intent);
    const wanted = new Set(machine.intent.members.map((intent) => intent.member));
    for (const name of machine.cells.keys()) if (!wanted.has(name)) machine.cells.delete(name);
  }

  private makeTrue(machine: Machine, intent: MemberIntent): void {
    const old = machine.cells.get(intent.member);
    const cell: Cell = old ?? {
      running: false,
      exists: false,
      intent,
      runId: 0,
      active: false,
      upstream: intent.upstream?.member,
      log: [],
      retiredAtTerm: undefined,
      promotedAtTerm: 0,
      fenced: false,
      reseeded: undefined,
      aside: [],
      starts: 0,
      startsSinceRetired: 0,
    };
    machine.cells.set(intent.member, cell);
    if (intent.run !== 'running') {
      cell.running = false;
      cell.active = false;
      cell.death = undefined;
      cell.exists = intent.run !== 'removed' && cell.exists;
      if (intent.run === 'retired') cell.retiredAtTerm ??= intent.term;
      cell.intent = intent;
      return;
    }
    if (intent.reseed !== undefined && cell.reseeded !== intent.reseed.id)
      this.reseed(cell, intent);
    if (cell.retiredAtTerm !== undefined) return;
    const isOther = specDigestOf(cell.intent.spec) !== specDigestOf(intent.spec);
    // A promotion moves roles by itself; intents only follow. A mirror that must mirror another restarts.
    const upstream = intent.upstream?.member;
    const hasSay = intent.term >= cell.promotedAtTerm;
    const isRepointed =
      hasSay && intent.role === 'mirror' && !cell.active && cell.upstream !== upstream;
    cell.intent = intent;
    if (cell.running && !isOther && !isRepointed) return;
    if (this.isLeftToTheController(cell)) return;
    const isHeard = machine.connected && this.mayLead(intent);
    if (intent.role === 'leader' && intent.mirrored && !isHeard) return;
    if (intent.role !== 'leader' && hasSay) cell.upstream = upstream;
    else if (cell.runId === 0) cell.upstream = undefined;
    if (intent.role === 'worker' && !this.mayStartWorker(cell)) return;
    cell.running = true;
    cell.exists = true;
    cell.fenced = false;
    cell.death = undefined;
    cell.runId += 1;
    cell.starts += 1;
    cell.active = cell.upstream === undefined;
    if (intent.role === 'worker') cell.active = false;
    this.acts.push(`start ${intent.member} ${intent.spec.image.version ?? ''}`);
  }

  /** The order names it once; what was there is set aside or gone, and a retirement with it. */
  private reseed(cell: Cell, { reseed, upstream, member, role }: MemberIntent): void {
    if (reseed === undefined || role !== 'mirror') return;
    this.acts.push(`reseed ${member} ${reseed.id}${reseed.wipe ? ' wiped' : ''}`);
    if (!reseed.wipe) cell.aside.push(cell.log);
    cell.running = false;
    cell.active = false;
    cell.log = [...(this.backedUp.get(reseed.backup ?? '') ?? [])];
    cell.upstream = upstream?.member;
    cell.retiredAtTerm = undefined;
    cell.promotedAtTerm = 0;
    cell.reseeded = reseed.id;
    cell.isOfBackup = reseed.backup !== undefined;
  }

  /** It exits at once on a schema that it does not know: the newest that a main process has brought. */
  private mayStartWorker(cell: Cell): boolean {
    const main = this.find(cell.intent.upstream?.member ?? '');
    if (main?.running !== true)
      this.violate(`${cell.intent.member} starts without its main process`);
    return true;
  }

  /** A leader that died, for as long as its order says. */
  private isLeftToTheController({ death, intent }: Cell): boolean {
    return death !== undefined && this.now - death.seenAt < (intent.restartAfterMs ?? 0);
  }

  /** Its program ends by itself, or as one that was told to. */
  kill(name: string, asked = false): void {
    const cell = this.cell(name);
    if (!cell.running) return;
    cell.running = false;
    cell.active = false;
    cell.death = { seenAt: this.now, asked, word: asked ? 'exit code 0' : 'signal 9' };
  }

  /** The permit: only the controller's word lets a leader of a mirrored service start. */
  private mayLead(intent: MemberIntent): boolean {
    const host = Object.values(this.intents).find((hosted) =>
      hosted.members.some((member) => member.member === intent.member),
    );
    return permitsFor(host, this.services).some((permit) => permit.member === intent.member);
  }

  /** The agent carries one open request out, at most once each. `crash`: it dies in the middle. */
  carryOut(host: string, crash: 'no' | 'before' | 'after' = 'no'): void {
    const machine = this.machine(host);
    if (machine.off || !machine.connected) return;
    const open = Object.values(this.requests).find(
      (state) => state.host === host && !machine.outcomes.has(state.request.id),
    );
    if (open === undefined) return;
    const { request } = open;
    const done = (outcome: Partial<Outcome>): void =>
      void machine.outcomes.set(request.id, {
        requestId: request.id,
        state: 'succeeded',
        startedAt: this.now,
        finishedAt: this.now,
        changes: [],
        ...outcome,
      });
    const cell = machine.cells.get(request.member);
    if (crash === 'before' && request.kind === 'promote') return done({ state: 'unknown' });
    switch (request.kind) {
      case 'pull-image':
        return done({ image: request.image });
      case 'promote': {
        if (
          cell?.running !== true ||
          cell.retiredAtTerm !== undefined ||
          request.term < cell.intent.term
        )
          return done({ state: 'refused', message: 'not now' });
        this.acts.push(`promote ${request.member} ${request.term}`);
        const upstream = cell.upstream === undefined ? undefined : this.find(cell.upstream);
        if (request.graceful && !cell.active) {
          if (upstream?.active !== true) return done({ state: 'failed', message: 'no leader' });
          cell.log = [...upstream.log];
          upstream.active = false;
          upstream.upstream = request.member;
        }
        cell.active = true;
        cell.upstream = undefined;
        cell.promotedAtTerm = request.term;
        this.check();
        return done(crash === 'after' ? { state: 'unknown' } : {});
      }
      case 'step-down':
        if (cell?.running !== true || request.term < cell.intent.term || !cell.active)
          return done({ state: 'refused', message: 'not now' });
        if (this.now > request.expiresAt) return done({ state: 'refused', message: 'too late' });
        if (!this.stepsDown) return done({});
        this.acts.push(`step down ${request.member}`);
        cell.fenced = true;
        return done(crash === 'no' ? { position: cell.log.length } : { state: 'unknown' });
      case 'restore-backup': {
        const log = this.backedUp.get(request.backup);
        if (
          cell === undefined ||
          cell.running ||
          cell.intent.run !== 'stopped' ||
          log === undefined
        )
          return done({ state: 'refused', message: 'not now' });
        if (request.term < cell.intent.term) return done({ state: 'refused', message: 'old term' });
        if (crash === 'before') return done({ state: 'unknown' });
        this.acts.push(
          `restore ${request.member} ${request.backup}${request.wipe ? ' wiped' : ''}`,
        );
        if (!request.wipe) cell.aside.push(cell.log);
        cell.log = [...log];
        cell.upstream = undefined;
        cell.promotedAtTerm = request.term;
        return done(crash === 'after' ? { state: 'unknown' } : {});
      }
      case 'probe-leader': {
        const leader = this.services[cell?.intent.service ?? '']?.topology.leader ?? '';
        const answered = this.find(leader)?.running === true;
        return done({ leaderProbe: { answered, said: answered ? 'hello' : 'refused', tookMs: 1 } });
      }
      case 'probe-history':
        if (request.offset < this.trimmedBelow)
          return done({ state: 'failed', message: 'trimmed, the log begins later' });
        return done({
          history: { offset: request.offset, sha256: `h${cell?.log[request.offset] ?? ''}` },
        });
      case 'run-backup': {
        this.acts.push(`backup ${request.member}`);
        this.backedUp.set(request.name, [...(cell?.log ?? [])]);
        const backup = backupOf(request.member, cell?.intent.service ?? '', host, this.now);
        const { name, databaseBackup } = request;
        return done({ backup: { ...backup, name, databaseBackup } });
      }
      case 'receive-backup': {
        const found = this.backups.find(({ name }) => name === request.backup);
        return done(found === undefined ? {} : { backup: { ...found, host } });
      }
      default:
        return done({});
    }
  }

  /** What the agent sees reaches the controller. */
  report(host: string): void {
    const machine = this.machine(host);
    if (machine.off || !machine.connected) return;
    const members: Record<string, { value: MemberFact; receivedAt: number }> = {};
    for (const [name, cell] of machine.cells)
      members[name] = { value: this.factOf(name, cell), receivedAt: this.now };
    this.facts[host] = members;
    const leases = machine.intent === undefined ? {} : { leases: leasesOf(machine.intent) };
    this.seen[host] = { at: this.now, accepted: machine.accepted, ...leases };
    for (const [id, outcome] of machine.outcomes) {
      const state = this.requests[id];
      if (state === undefined || state.outcome !== undefined) continue;
      this.requests = { ...this.requests, [id]: { ...state, outcome } };
      if (outcome.backup !== undefined) this.backups = [outcome.backup, ...this.backups];
    }
  }

  private factOf(name: string, cell: Cell): MemberFact {
    const upstream = cell.upstream === undefined ? undefined : this.find(cell.upstream);
    const isStuck = !cell.active && upstream !== undefined && isNewer(upstream, cell);
    return {
      member: name,
      service: cell.intent.service,
      seenAt: this.now,
      container: {
        state: cell.running ? 'running' : cell.exists ? 'exited' : 'absent',
        imageDigest: cell.intent.spec.image.digest,
        specDigest: specDigestOf(cell.intent.spec),
        restartPolicy: 'no',
        startedAt: this.now,
      },
      engine: {
        answered: cell.running,
        version: cell.running ? cell.intent.spec.image.version : undefined,
        runId: cell.running ? `${name}#${cell.runId}` : undefined,
        active: cell.running && cell.intent.role !== 'worker' ? cell.active : undefined,
        ready: cell.running ? cell.active || upstream?.running === true : undefined,
        uplink: cell.running && !cell.active ? upstream?.running === true : undefined,
        upstreamUrl: cell.running && !cell.active ? `aha://${cell.upstream}.loop` : undefined,
        readOnly: cell.running ? isStuck || cell.fenced : undefined,
        position: cell.running && cell.intent.role !== 'worker' ? cell.log.length : undefined,
      },
      death: cell.death,
      storage: {
        retiredAtTerm: cell.retiredAtTerm,
        position: !cell.running && this.storesPosition ? cell.log.length : undefined,
        reseeded: cell.reseeded,
        dataBytes: 1000,
        freeBytes: 9000,
        totalBytes: 10_000,
      },
      term: cell.intent.term,
      starts: cell.starts,
      startsSinceRetired: cell.startsSinceRetired,
      waits: [],
      refusals: [],
    };
  }

  /** A power cut: programs die, storage and the agent's disk stay. */
  powerOff(host: string): void {
    const machine = this.machine(host);
    machine.off = true;
    for (const cell of machine.cells.values()) {
      cell.running = false;
      cell.active = false;
    }
  }

  machine(host: string): Machine {
    const machine = this.machines.get(host);
    if (machine === undefined) throw new Error(`no host ${host}`);
    return machine;
  }

  /** Everybody does everything once, in order. */
  round(ms = 300): void {
    this.now += ms;
    for (const host of this.machines.keys()) {
      this.receive(host);
      this.reconcile(host);
      this.carryOut(host);
    }
    this.replicate();
    for (const host of this.machines.keys()) this.report(host);
    for (const { id } of this.operations) this.advance(id);
    this.check();
  }

  /** Rounds until the operation has ended or paused. */
  run(id: string, rounds = 400): Operation {
    for (let index = 0; index < rounds; index += 1) {
      const operation = this.operation(id);
      if (operation === undefined || operation.state !== 'running') break;
      this.round();
    }
    const operation = this.operation(id);
    if (operation === undefined) throw new Error(`no operation ${id}`);
    return operation;
  }

  /** The operation leaves the list of open ones, as in the store. */
  settle(): void {
    this.operations = this.operations.filter(
      (operation) => operation.state === 'running' || operation.state === 'paused',
    );
    this.round();
  }

  /** Plans and carries out; the operation's end. */
  apply(goal: Goal): Operation {
    const plan = this.plan(goal);
    if (plan.refusals.length > 0)
      throw new Error(plan.refusals.map((refusal) => refusal.message).join('; '));
    const { id } = this.begin(plan);
    const ended = this.run(id);
    this.settle();
    return ended;
  }
}

const isNewer = (a: Cell, b: Cell): boolean => versionOf(a) > versionOf(b);
const versionOf = (cell: Cell): number =>
  Number(cell.intent.spec.image.version?.split('.')[1] ?? 0);

/** `cortex:2.113.0` → version 2.113.0 and a digest of its own. */
export function imageOf(reference: string): Image {
  const version = /:v?(\d+\.\d+\.\d+)$/.exec(reference)?.[1];
  return {
    reference,
    digest: `sha256:${Buffer.from([...reference].reverse().join('')).toString('hex')}`,
    version,
  };
}

export function backupOf(member: string, service: string, host: string, at: number): Backup {
  return {
    name: 'b1',
    service,
    member,
    host,
    path: '/backups/b1',
    sizeBytes: 1000,
    files: 3,
    position: 1,
    version: '2.113.0',
    term: 1,
    startedAt: at - 1000,
    finishedAt: at,
    manifestSha256: 'ab',
  };
}

/** Commands of a kind that can do all but pass leadership on by itself. */
const KIND_COMMANDS = [
  ...['role', 'position', 'history', 'storedUpstream', 'storedPosition', 'setUpstream'],
  ...['clearUpstream', 'backup', 'restore', 'seed', 'forcePromote', 'fence'],
];

/** The same tree of a kind that is described with commands, all of them but those left out. */
export function described(
  options: TreeOptions & {
    readonly without?: readonly string[];
    readonly positions?: 'number' | 'lsn';
    readonly lag?: number;
  } = {},
): World {
  const { without = [], positions = 'number', lag, ...tree } = options;
  const world = deployed(tree);
  const state = world.services['cortex'];
  if (state === undefined) throw new Error('no cortex');
  const commands = Object.fromEntries(
    KIND_COMMANDS.filter((name) => !without.includes(name)).map((name) => [
      name,
      { steps: [], format: 'plain' as const },
    ]),
  );
  const declaration = {
    ...state.declaration,
    kind: 'pg',
    exec: { commands, positions },
    lag,
  };
  world.services = { cortex: { ...state, declaration } };
  return world;
}

/** A deployed tree with a fresh backup and some writes, everybody caught up. */
export function deployed(options: TreeOptions = {}): World {
  const hosts = [...new Set((options.members ?? DEFAULT_TREE).map(([, host]) => host))];
  const world = new World([...new Set([...HOSTS, ...hosts])]);
  world.round();
  world.apply({ kind: 'deploy', manifest: manifestOf(options) });
  for (let count = 0; count < 5; count += 1) world.write('cortex');
  for (let count = 0; count < 5; count += 1) world.round();
  world.backups = [backupOf('02.cortex', 'cortex', 'charlie', world.now - 60_000)];
  world.backedUp.set('b1', [1000]);
  return world;
}

/** A stack that runs, with a fresh backup. */
export function stacked(options: StackOptions = {}): World {
  const world = new World(HOSTS);
  world.round();
  const ended = world.apply({ kind: 'deploy', manifest: stackManifest(options) });
  if (ended.state !== 'done') throw new Error(`the stack does not come up: ${ended.reason ?? ''}`);
  for (let count = 0; count < 3; count += 1) world.round();
  world.backups = [backupOf('main', 'chat', 'alpha', world.now - 60_000)];
  world.backedUp.set('b1', [1000]);
  return world;
}
