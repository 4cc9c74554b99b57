// The one place where the agent's parts are put together. Nothing is decided here.
import { chmod, mkdir } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { join } from 'node:path';
import { systemClock } from '@leafward/shared/clock.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { startLoop } from '@leafward/shared/loop.js';
import { startAgent, type Agent } from './agent.js';
import { openCatalogue, type Catalogue } from './backups/catalogue.js';
import { startDataMeter } from './checks/data-meter.js';
import { startDiskWatcher } from './checks/disk-watcher.js';
import { createTuner } from './checks/tuner.js';
import type { AgentConfig } from './config.js';
import type { Engine } from './engines/engine.js';
import { engineFactories } from './engines/registry.js';
import { unknownEngine } from './engines/unknown.js';
import { startFindings } from './findings.js';
import { observeHost, readInventory } from './host-fact.js';
import { openAgentIdentity, startAgentRenewal } from './identity.js';
import { openJournal } from './journal.js';
import { startLink, type Link } from './link.js';
import { createObserver } from './observe.js';
import { hostMonotonicMs, openPermits } from './permits.js';
import { createAct } from './requests/acts.js';
import { openRequests } from './requests.js';
import { readBootId } from './runtimes/process/proc.js';
import { openRuntimes } from './runtimes/registry.js';
import { lockState } from './state-lock.js';
import { VERSION } from './version.js';
import { startWatchdog } from './watchdog.js';

/** How often backups are looked for that nobody told of, and ones that are gone. */
const CATALOGUE_EVERY_MS = 60_000;
const DATA_METER_EVERY_MS = 5 * 60_000;
/** A coarse sampler: five wakes a second are the whole cost of knowing that the loop is blocked. */
const LOOP_DELAY_RESOLUTION_MS = 200;

export interface RunOptions {
  readonly config: AgentConfig;
  readonly log: Logger;
  /** Ends the agent; members go on. */
  readonly signal: AbortSignal;
}

/** @throws LeafwardError when it cannot begin; returns when it has ended as asked. */
export async function runAgent(options: RunOptions): Promise<void> {
  const { stateDirectory } = options.config;
  await mkdir(stateDirectory, { recursive: true });
  // Members that run as other users must reach their stored images below it; all else in it is closed.
  await chmod(stateDirectory, 0o711);
  const unlock = await lockState(stateDirectory);
  try {
    await serve(options);
  } finally {
    await unlock();
  }
}

async function serve({ config, log, signal }: RunOptions): Promise<void> {
  const { stateDirectory, roots } = config;
  const clock = systemClock;
  const startedAt = clock.now();
  const identity = await openAgentIdentity(stateDirectory);
  const { name: host, fleet } = identity.current();
  const journal = await openJournal(join(stateDirectory, 'journal.log'), log);
  const bootId = await readBootId();
  let agent: Agent | undefined;
  let link: Link | undefined;
  const wake = (): void => agent?.wake();
  const members = (): readonly MemberIntent[] => journal.state.intent?.members ?? [];
  const paths = (): readonly string[] => members().map(({ spec }) => spec.storage);
  const clockOffsetMs = (): number | undefined => {
    const theirs = link?.clockOffsetMs();
    return theirs === undefined ? undefined : -theirs; // here: how far this host is ahead
  };

  const dockerSocket = config.dockerSocket;
  const runtimes = await openRuntimes({
    stateDirectory,
    dockerSocket,
    log,
    onChange: wake,
    signal,
  });
  const engineOf = createEngines();
  const permits = openPermits({
    monotonic: hostMonotonicMs,
    path: join(stateDirectory, 'permits.json'),
    bootId,
  });
  const catalogue = await openCatalogue({
    directory: join(stateDirectory, 'catalogue'),
    host,
    clock,
    log,
  });
  const disks = startDiskWatcher({
    roots,
    clock,
    log,
    paths,
    everyMs: config.probeEverySeconds * 1000,
  });
  const meter = startDataMeter({ clock, log, paths, everyMs: DATA_METER_EVERY_MS });
  const findings = startFindings({
    roots,
    clock,
    log,
    everyMs: config.checkEverySeconds * 1000,
    dockerSocket,
    runtimes,
    members,
    clockOffsetMs,
    latency: () => disks.latency(),
    dataBytes: () => meter.dataBytes(),
    onChange: () => agent?.tell(),
  });
  const runtimeOf = (intent: MemberIntent): ReturnType<typeof runtimes.of> =>
    runtimes.of(intent.spec.runtime);
  const requests = await openRequests({
    journal,
    clock,
    log,
    clockOffsetMs,
    onChange: () => {
      agent?.tell();
      wake();
    },
    act: createAct({
      host,
      clock,
      journal,
      catalogue,
      tuner: createTuner({ roots, stateFile: join(stateDirectory, 'tuned.json') }),
      runtime: (name) => runtimes.of(name),
      engineOf,
      check: (stop) => findings.check(stop),
    }),
  });
  const observer = createObserver({
    journal: () => journal.state,
    permits,
    clock,
    fleet,
    runtimeOf,
    engineOf,
    isPromoting: (member) => requests.isPromoting(member),
    isBusy: (member) => agent?.isBusy(member) ?? false,
    dataBytes: () => meter.dataBytes(),
  });
  const inventory = await readInventory(roots);
  const delays = monitorEventLoopDelay({ resolution: LOOP_DELAY_RESOLUTION_MS });
  delays.enable();
  const running = startAgent({
    host,
    version: VERSION,
    bootId,
    kinds: Object.keys(engineFactories),
    clock,
    log,
    journal,
    permits,
    observer,
    hands: { journal, permits, now: () => clock.now(), log, runtimeOf, engineOf },
    requests,
    backups: () => catalogue.list(),
    findings: () => findings.current(),
    observeHost: () => {
      const loopDelayP99Ms = Math.max(0, delays.percentile(99) / 1e6 - LOOP_DELAY_RESOLUTION_MS);
      delays.reset();
      return observeHost({
        roots,
        now: clock.now(),
        agentVersion: VERSION,
        agentStartedAt: startedAt,
        loopDelayP99Ms,
        paths: paths(),
        latency: disks.latency(),
        inventory,
      });
    },
    send: (message) => link?.send(message) ?? false,
  });
  agent = running;
  const catalogueLoop = startCatalogueLoop(catalogue, members, log, () => running.tell());
  const renewal = startAgentRenewal(identity, { clock, log });
  link = startLink({
    identity,
    hello: () => running.hello(),
    onMessage: (message) => running.receive(message),
    onState: (connected) => running.connected(connected),
    clock,
    log,
  });
  const watchdog = startWatchdog({
    clock,
    log,
    environment: process.env,
    idleMs: () => running.idleMs(),
    status: () => statusOf(running, link),
  });
  watchdog.ready();
  log.info({ host, fleet, version: VERSION }, `agent of ${host} runs`);
  await aborted(signal);
  log.info('ending as asked; members go on');
  await link.stop();
  await running.stop();
  await Promise.all([
    watchdog.stop(),
    renewal.stop(),
    findings.stop(),
    disks.stop(),
    meter.stop(),
    catalogueLoop.stop(),
  ]);
  delays.disable();
  await journal.close();
}

/** One engine for each kind, made when it is first needed. */
function createEngines(): (intent: MemberIntent) => Engine {
  const engines = new Map<string, Engine>();
  return ({ spec: { kind } }) => {
    const known = engines.get(kind);
    if (known !== undefined) return known;
    const engine = engineFactories[kind]?.() ?? unknownEngine(kind);
    engines.set(kind, engine);
    return engine;
  };
}

function startCatalogueLoop(
  catalogue: Catalogue,
  members: () => readonly MemberIntent[],
  log: Logger,
  onChange: () => void,
): ReturnType<typeof startLoop> {
  return startLoop({
    name: 'catalogue',
    clock: systemClock,
    log,
    everyMs: CATALOGUE_EVERY_MS,
    deadlineMs: CATALOGUE_EVERY_MS,
    pass: async () => {
      const directories = members().map(
        ({ spec }) => spec.backupDirectory ?? join(spec.storage, 'backups'),
      );
      if (!(await catalogue.refresh([...new Set(directories)]))) return undefined;
      onChange();
      return `${catalogue.list().length} backups are known`;
    },
  });
}

function statusOf(agent: Agent, link: Link | undefined): string {
  const facts = agent.facts();
  const running = facts.filter(({ container }) => container.state === 'running').length;
  const retired = facts.filter(({ refusals }) => refusals.some(({ code }) => code === 'retired'));
  const words = [
    `${running} of ${facts.length} members run`,
    link?.connected() === true ? 'connected' : 'no controller',
    ...retired.map(({ member }) => `${member} is retired and stays down`),
  ];
  return words.join(', ');
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
