// One simulated fleet: hosts, disks, lines, services, and the processes of the production programs on them. Offers
// what can be done to it; when and whether is decided in operators.ts and faults.ts, right or wrong in checkers.ts.
import type { AgentStream } from '@leafward/controller/sessions.js';
import type { Backup } from '@leafward/shared/gen/domain.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Logger } from '@leafward/shared/log.js';
import { DEADMAN_LOOK_MS } from '@leafward/shared/lease.js';
import { Cells } from './cells.js';
import { Checkers } from './checkers.js';
import { deadManLooks } from './dead-man.js';
import { Disk } from './disk.js';
import { createEngine, createRuntime, type HostRuntime } from './drivers.js';
import { createFileSystem } from './file-system.js';
import { createGlobals } from './globals.js';
import { bootIdOf, createHost, uptimeOf, wallOf, type Host } from './hosts.js';
import { SECRET, STATE, type Layout } from './layouts.js';
import type { Program } from './instances.js';
import { createNetwork, type End, type Network } from './network.js';
import type { AgentMachine } from './programs/machine.js';
import type { RunningAgent } from './programs/agent.js';
import type { ControllerMachine, RunningController } from './programs/controller.js';
import { createRandom, type Random } from './random.js';
import { newProcess, Scheduler, type SimProcess } from './scheduler.js';
import { createStore, type SimStore } from './store.js';
import { createTrace, type Trace } from './trace.js';

export interface Programs {
  readonly agent: Program;
  readonly controller: Program;
}

export interface WorldOptions {
  readonly seed: number;
  readonly layout: Layout;
  readonly programs: Programs;
  readonly store?: Buffer | undefined;
  readonly print?: ((line: string) => void) | undefined;
}

export interface Machine {
  readonly host: Host;
  readonly state: Disk;
  readonly data: Disk;
  /** /run: gone with the power, never full. */
  readonly memory: Disk;
  readonly runtime: HostRuntime;
  readonly backups: Backup[];
  agent: { process: SimProcess; running?: RunningAgent | undefined } | undefined;
  isBooting: boolean;
  /** True time. */
  dialledAt: number;
  troubledUntil: number;
}

export interface ControllerAt {
  readonly process: SimProcess;
  running?: RunningController | undefined;
}

/** Longer than a failover waits for a candidate (planning/thresholds.ts, CANDIDATE_MS). */
const TOLD_MS = 15_000;
const RESTART_MS = [800, 4000] as const;
const BOOT_MS = [8000, 25_000] as const;

export class World {
  readonly trace: Trace;
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly cells: Cells;
  readonly checkers: Checkers;
  readonly machines = new Map<string, Machine>();
  readonly controllers: ControllerAt[] = [];
  readonly store: SimStore;
  readonly controllerHost: Host;
  /** Agents and controllers that die are started again, as by systemd. */
  supervises = true;
  #processes = 0;
  #epoch = 0;

  /** Stands for the timer beside each agent that stops a leader whose lease is over. */
  readonly #deadMan = (): void => {
    this.scheduler.after(DEADMAN_LOOK_MS, this.#deadMan);
    for (const machine of this.machines.values()) if (machine.host.on) deadManLooks(this, machine);
  };

  constructor(readonly options: WorldOptions) {
    const { seed, layout } = options;
    this.trace = createTrace(options.print);
    this.random = createRandom(seed);
    this.scheduler = new Scheduler(this.trace, (error, owner) => this.#crashed(owner, error));
    this.checkers = new Checkers(this);
    this.store = createStore(options.store);
    this.network = createNetwork({
      scheduler: this.scheduler,
      random: this.random.fork(1),
      isPowered: (host) => this.hostOf(host).on,
      onBytes: (direction, bytes) => this.checkers.bytes(direction, bytes),
    });
    this.cells = new Cells({
      scheduler: this.scheduler,
      random: this.random.fork(2),
      events: {
        starting: (run) => {
          this.checkers.starting(run);
          this.#runtimeEvent(run.container.host);
        },
        leads: (run, how) => this.checkers.leads(run, how),
        ended: (run) => {
          this.line(run.container.member, `program ended, code ${run.container.exitCode ?? ''}`);
          this.checkers.ended(run);
          this.#runtimeEvent(run.container.host);
        },
        acknowledged: (run, write) => this.checkers.acknowledged(run, write),
        line: (who, text) => this.line(who, text),
      },
      wallOf: (host) => wallOf(this.hostOf(host), this.scheduler.now),
      diskOf: (host) => this.machine(host).data,
      canTalk: (from, to) => this.network.isOpen(from, to),
    });
    const hostRandom = this.random.fork(3);
    this.controllerHost = createHost('ctl', hostRandom);
    for (const [index, name] of layout.hosts.entries())
      this.machines.set(name, {
        host: createHost(name, hostRandom),
        state: new Disk(`${name}-state`, this.random.fork(10 + index)),
        data: new Disk(`${name}-data`, this.random.fork(50 + index)),
        memory: new Disk(`${name}-run`, this.random.fork(90 + index)),
        runtime: {
          down: false,
          pullsHang: false,
          images: new Set(),
          watchers: new Set(),
          deadManAt: new Set(),
        },
        backups: [],
        agent: undefined,
        isBooting: false,
        dialledAt: 0,
        troubledUntil: 0,
      });
    this.#deadMan();
  }

  get now(): number {
    return this.scheduler.now;
  }

  line(who: string, what: string): void {
    this.trace.line(this.now, who, what);
  }

  hostOf(name: string): Host {
    return name === 'ctl' ? this.controllerHost : this.machine(name).host;
  }

  machine(name: string): Machine {
    const found = this.machines.get(name);
    if (found === undefined) throw new Error(`no host ${name}`);
    return found;
  }

  #runtimeEvent(host: string): void {
    for (const listener of this.machine(host).runtime.watchers) listener();
  }

  /** A program threw where nobody catches: it ends, and that is a mistake of ours. */
  #crashed(owner: SimProcess | undefined, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.checkers.bug(owner?.name ?? 'world', text);
    if (owner !== undefined) this.kill(owner, 'bug');
  }

  rejected(error: unknown): void {
    this.checkers.bug('promise', error instanceof Error ? (error.stack ?? '') : String(error));
  }

  #logger(who: string): Logger {
    const write =
      (level: string) =>
      (first: unknown, second?: unknown): void => {
        const text = typeof first === 'string' ? first : String(second);
        this.checkers.text(
          who,
          typeof first === 'string' ? text : `${text} ${JSON.stringify(first)}`,
        );
        this.line(who, `${level} ${text}`);
        // A call that nothing simulated stands for yet: everything after it would be about that alone.
        if (text.includes(' is not a function')) this.checkers.bug(who, text);
      };
    const quiet = (): void => undefined;
    const logger = {
      info: write('info '),
      warn: write('warn '),
      error: write('error'),
      fatal: write('fatal'),
      debug: quiet,
      trace: quiet,
    };
    return logger as unknown as Logger;
  }

  startAgent(name: string): void {
    const machine = this.machine(name);
    if (machine.agent?.process.alive === true || !machine.host.on) return;
    const process = newProcess(`agent ${name}`, name);
    const random = this.random.fork(1000 + (this.#processes += 1));
    const started: Machine['agent'] = { process };
    machine.agent = started;
    this.line(process.name, 'starts');
    const { globals, modules } = createGlobals({
      host: machine.host,
      process,
      scheduler: this.scheduler,
      random,
      onExit: (reason) => this.#crashed(process, new Error(reason)),
    });
    const files = createFileSystem({
      host: machine.host,
      process,
      scheduler: this.scheduler,
      random,
      diskOf: (path) =>
        path.startsWith('/srv')
          ? machine.data
          : path.startsWith('/run')
            ? machine.memory
            : machine.state,
      now: () => wallOf(machine.host, this.now),
    });
    const program = this.options.programs.agent.start(globals, {
      ...modules,
      'node:fs': files.sync,
      'node:fs/promises': files.promises,
      'node:perf_hooks': {
        ...(modules['node:perf_hooks'] as object),
        monitorEventLoopDelay: delays,
      },
    }) as { readonly start: (machine: AgentMachine) => Promise<RunningAgent> };
    program.start(this.#agentMachine(machine, process, random)).then(
      (running) => {
        started.running = running;
        if (process.alive) this.checkers.agentStarted(name, running);
      },
      (error: unknown) => {
        this.line(process.name, `does not begin: ${String(error)}`);
        if (process.alive) this.kill(process, 'could not begin');
      },
    );
  }

  #agentMachine(machine: Machine, process: SimProcess, random: Random): AgentMachine {
    const { host } = machine;
    const drivers = {
      host,
      process,
      scheduler: this.scheduler,
      random,
      cells: this.cells,
      state: machine.runtime,
      acts: this.checkers.actsOf(host.name),
    };
    return {
      host: host.name,
      fleet: 'simulated',
      stateDirectory: STATE,
      bootId: bootIdOf(host),
      log: this.#logger(process.name),
      runtime: createRuntime(drivers),
      engine: createEngine(drivers),
      backups: () => this.#backupsOf(machine),
      addBackup: (backup) => machine.backups.unshift(backup),
      hostFact: () => ({
        seenAt: Math.round(wallOf(host, this.now)),
        bootId: bootIdOf(host),
        agentVersion: '0',
        agentStartedAt: 0,
        memoryTotalBytes: 64e9,
        memoryAvailableBytes: 32e9,
        load1: 0,
        cpus: 8,
        agentRssBytes: 5e7,
        agentCpuSeconds: Math.round(uptimeOf(host, this.now) / 1000),
        loopDelayP99Ms: 0,
        volumes: [],
        os: 'simulated',
        kernel: '0',
      }),
      dial: (events) => this.#dial(process, events),
      onRecord: (record) => {
        this.checkers.record(host.name, record);
        this.#trip(host.name, process);
      },
    };
  }

  /** The same array until there is one more. */
  #backupsOf(machine: Machine): readonly Backup[] {
    const known = this.#listed.get(machine);
    if (known?.length === machine.backups.length) return known;
    const fresh = [...machine.backups];
    this.#listed.set(machine, fresh);
    return fresh;
  }
  readonly #listed = new Map<Machine, readonly Backup[]>();

  #dial(process: SimProcess, events: Parameters<AgentMachine['dial']>[0]) {
    const living = this.controllers.filter(
      ({ process: one, running }) => one.alive && running !== undefined,
    );
    const target = living.length === 0 ? undefined : this.random.pick(living);
    const refuse = (reason: string): void => events.onEnd(new LeafwardError('unavailable', reason));
    if (target === undefined || !this.network.isOpen(process.host, 'ctl')) {
      // Refused at once, or no answer at all, for which the caller has its own deadline.
      if (this.network.isOpen(process.host, 'ctl'))
        this.scheduler.after(2, () => refuse('connection refused'), process);
      return { write: () => true, onDrain: () => undefined, close: () => undefined };
    }
    const listeners = new Map<string, ((value?: unknown) => void)[]>();
    const tell = (event: string, value?: unknown): void => {
      for (const listener of listeners.get(event) ?? []) listener(value);
    };
    const agentEnd: End = {
      process,
      receive: (message) => events.onMessage(message as never),
      ended: (reason) => refuse(reason),
    };
    const controllerEnd: End = {
      process: target.process,
      receive: (message) => tell('data', message),
      ended: () => tell('cancelled'),
    };
    this.machine(process.host).dialledAt = this.now;
    const stream = this.network.connect(agentEnd, controllerEnd);
    const served = {
      on: (event: string, listener: (value?: unknown) => void) => {
        listeners.set(event, [...(listeners.get(event) ?? []), listener]);
      },
      write: (message: object) => {
        stream.send('down', message);
        return true;
      },
      end: () => stream.close('down', 'the controller ended the session'),
      emit: (_: string, error: Error) => stream.close('down', error.message),
    };
    // Before the first bytes can arrive.
    this.scheduler.after(
      0.05,
      () => target.running?.accept(process.host, served as unknown as AgentStream),
      target.process,
    );
    return {
      write: (message: object) => {
        stream.send('up', message);
        return true;
      },
      onDrain: () => undefined,
      close: () => stream.close('up', 'the agent closed it'),
    };
  }

  startController(): void {
    const process = newProcess(`controller${(this.#processes += 1)}`, 'ctl');
    const at: ControllerAt = { process };
    this.controllers.push(at);
    this.line(process.name, 'starts');
    const host = this.controllerHost;
    const { globals, modules } = createGlobals({
      host,
      process,
      scheduler: this.scheduler,
      random: this.random.fork(1000 + this.#processes),
      onExit: (reason) => this.#crashed(process, new Error(reason)),
    });
    const program = this.options.programs.controller.start(globals, {
      ...modules,
      'better-sqlite3': this.store.connect(),
    }) as { readonly start: (machine: ControllerMachine) => Promise<RunningController> };
    const token = { name: 'token', version: 1, plaintext: SECRET };
    program
      .start({
        fleet: 'simulated',
        storePath: '/store.sqlite',
        hosts: this.options.layout.hosts,
        log: this.#logger(process.name),
        secrets: [token],
        onCommit: (changes, epoch) => {
          this.checkers.committed(process, changes, epoch);
          this.#trip('ctl', process);
        },
        onFatal: (error) => {
          this.line(process.name, `ends: ${error.message}`);
          process.died = 'replaced';
          this.scheduler.after(1, () => this.kill(process, 'replaced'));
        },
      })
      .then(
        (running) => {
          at.running = running;
          this.#epoch = running.fleet.epoch;
          this.checkers.tookOver(running.fleet.epoch);
          this.line(process.name, `is up, epoch ${this.#epoch}`);
        },
        (error: unknown) => this.#crashed(process, error),
      );
  }

  /** Ends a process at once; its supervisor starts it again. */
  kill(process: SimProcess, why: string): void {
    if (!process.alive) return;
    process.alive = false;
    process.died = why;
    this.line(process.name, `dies: ${why}`);
    this.network.processEnded(process);
    const index = this.controllers.findIndex((one) => one.process === process);
    if (index >= 0) this.controllers.splice(index, 1);
    else this.checkers.agentDied(process.host);
    if (!this.supervises || why === 'power' || why === 'replaced') return;
    this.scheduler.after(this.random.between(...RESTART_MS), () => {
      if (index >= 0) {
        if (this.controllers.length === 0) this.startController();
      } else this.startAgent(process.host);
    });
  }

  powerOff(name: string): void {
    const machine = this.machine(name);
    if (!machine.host.on) return;
    this.line(name, 'power is cut');
    machine.host.on = false;
    if (machine.agent !== undefined) this.kill(machine.agent.process, 'power');
    this.cells.powerCut(name);
    machine.state.powerCut();
    machine.data.powerCut();
    machine.memory.wipe();
    machine.memory.powerCut();
    machine.runtime.watchers.clear();
    this.network.changed();
  }

  powerOn(name: string): void {
    const machine = this.machine(name);
    if (machine.host.on || machine.isBooting) return;
    machine.isBooting = true;
    this.scheduler.after(this.random.between(...BOOT_MS), () => {
      machine.isBooting = false;
      machine.host.on = true;
      machine.host.boots += 1;
      machine.host.bootedAt = this.now;
      this.line(name, 'has booted');
      this.network.changed();
      this.startAgent(name);
    });
  }

  /** Its agent has been in touch with a controller for long enough that all that it sees is told. */
  isInSight(name: string): boolean {
    const machine = this.machines.get(name);
    const { process, running } = machine?.agent ?? {};
    if (machine === undefined || process?.alive !== true || process.stopped) return false;
    const since = Math.max(machine.dialledAt, machine.troubledUntil);
    return running?.connected() === true && this.now - since > TOLD_MS;
  }
  isHealing = false;
  /** By host: what happens to its program at the next moment at which something is on its disk. */
  readonly tripwires = new Map<string, 'killed' | 'power'>();

  #trip(name: string, process: SimProcess): void {
    const how = this.tripwires.get(name);
    if (how === undefined || !process.alive) return;
    this.tripwires.delete(name);
    if (how === 'killed') return this.kill(process, 'killed');
    // At this very moment, and all the rest of it in the next event.
    process.alive = false;
    process.died = 'power';
    this.scheduler.after(0, () => {
      process.alive = true;
      this.powerOff(name);
      this.scheduler.after(this.random.between(2000, 20_000), () => this.powerOn(name));
    });
  }

  stop(process: SimProcess): void {
    if (!process.alive || process.stopped) return;
    process.stopped = true;
    this.line(process.name, 'is stopped (SIGSTOP)');
    this.network.changed();
  }

  resume(process: SimProcess): void {
    if (!process.stopped) return;
    this.line(process.name, 'goes on (SIGCONT)');
    this.scheduler.resume(process);
    this.network.changed();
  }
}

const delays = () => ({
  enable: () => undefined,
  disable: () => undefined,
  reset: () => undefined,
  percentile: () => 2e8,
});
