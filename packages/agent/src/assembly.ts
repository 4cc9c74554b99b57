// An agent made of its parts, without its way to the controller: main.ts adds that. Nothing is decided here.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@leafward/shared/clock.js';
import type { HostFact, MemberIntent, SessionRequest } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { secretsOfIntent } from '@leafward/shared/secrets.js';
import { adoptionsOf } from './adoptions.js';
import { startAgent, type Agent } from './agent.js';
import { createEvictions } from './evictions.js';
import { createBootHooks } from './boot-hooks.js';
import { startBackupLoops, type BackupLoops } from './backups/backup-loops.js';
import { openCatalogue, type Catalogue } from './backups/catalogue.js';
import { createPins, type Pins } from './backups/pins.js';
import { startDataMeter, type DataMeter } from './checks/data-meter.js';
import { startDiskWatcher, type DiskWatcher } from './checks/disk-watcher.js';
import { backupPathsOf } from './checks/volumes.js';
import type { AgentConfig } from './config.js';
import type { Engine } from './engines/engine.js';
import { openEngines } from './engines/open-engines.js';
import { createDuties, type Duties } from './duty/duties.js';
import { engineFactories } from './engines/registry.js';
import { openDrills, type Drills } from './drill/drills.js';
import { openGuard, type DeadmanPlace, type Guard } from './deadman/guard.js';
import { startFindings, type Findings } from './findings.js';
import { intentsOf, runOnHere, storagesOf } from './held-members.js';
import { createHistories, type Histories } from './histories.js';
import type { Journal } from './journal.js';
import type { LogsOptions } from './logs/logs.js';
import { outputsOf } from './logs/outputs.js';
import { openCopies, type Copies } from './offsite/open-copies.js';
import { notingLeaders } from './leaderships.js';
import { createObserver } from './observe.js';
import { openAct } from './open-act.js';
import { openHostFacts } from './open-host-facts.js';
import type { ActParts } from './requests/acts.js';
import { openRequests, type Requests } from './requests.js';
import { openRuntimes, type Runtimes } from './runtimes/registry.js';
import { openSecrets, type Secrets } from './secrets.js';
import type { OpenTransferLine } from './transfer/line.js';
import { VERSION } from './version.js';

export interface AgentParts {
  readonly config: AgentConfig;
  readonly log: Logger;
  readonly clock: Clock;
  readonly host: string;
  readonly fleet: string;
  readonly bootId: string;
  readonly journal: Journal;
  /** False: nobody takes it now. */
  readonly send: (message: SessionRequest) => boolean;
  /** This host's clock minus the controller's; undefined: never heard. */
  readonly clockOffsetMs: () => number | undefined;
  /** Ends the watching of the runtimes. */
  readonly signal: AbortSignal;
  /** Where the dead-man is told of leaders, and who starts it. Default: below the state directory, and nobody. */
  readonly deadman?: DeadmanPlace | undefined;
  /** The file of this very program, for what must outlive it. Unset: nothing can. */
  readonly program?: string | undefined;
  /** For backups on their way to and from other hosts. Undefined: none come or go. */
  readonly transferLine?: OpenTransferLine | undefined;
}

export interface OpenedAgent {
  readonly agent: Agent;
  /** For operators who want to see what members print. */
  readonly output: Pick<LogsOptions, 'outputOf' | 'redact'>;
  /** Ends everything but the journal, which is the caller's; members go on. */
  stop(): Promise<void>;
}

const DATA_METER_EVERY_MS = 60_000;

/** What parts call before the agent that they are parts of is there. */
interface Late {
  agent?: Agent;
  requests?: Requests;
  measures?: Measures;
  duties?: Duties;
  backups?: BackupLoops;
}

/** Something of a request has changed. */
function wakeAll({ agent, duties }: Late): void {
  agent?.tell();
  agent?.wake();
  duties?.wake();
}

/** @throws LeafwardError when a part cannot begin. */
export async function openAgent(parts: AgentParts): Promise<OpenedAgent> {
  const late: Late = {};
  const isBusy = (member: string): boolean => late.agent?.isBusy(member) ?? false;
  const { config, log, journal } = parts;
  const { stateDirectory, dockerSocket } = config;
  await mkdir(stateDirectory, { recursive: true });
  const runtimes = await openRuntimes({
    stateDirectory,
    dockerSocket,
    log,
    storages: () => runOnHere(parts),
    adoptions: () => adoptionsOf(intentsOf(parts)),
    onChange: () => late.agent?.changed(),
    signal: parts.signal,
  });
  const secrets = await openSecrets(join(stateDirectory, 'secrets'), log);
  const { engineOf, forgetAll } = openEngines({ runtimes, secrets, log });
  const catalogue = await openCatalogue({
    directory: join(stateDirectory, 'catalogue'),
    host: parts.host,
    clock: parts.clock,
    log,
    onAdded: () => late.backups?.added(),
  });
  const guard = openGuard(parts, isBusy);
  const pins = createPins();
  const copies = openHostCopies(parts, { catalogue, pins, secrets, late });
  const measures = startMeasures(parts, { runtimes, guard, catalogue, copies }, () =>
    late.agent?.tell(),
  );
  const check: ActParts['check'] = (stop) => measures.findings.check(stop);
  const does = { runtimes, secrets, engineOf, catalogue, pins, isBusy, check };
  const drills = openHostDrills(parts, { runtimes, secrets });
  const act = openAct(parts, { ...does, drills, offsite: copies.offsite });
  const requests = await openRequests({
    journal,
    clock: parts.clock,
    log,
    clockOffsetMs: parts.clockOffsetMs,
    onChange: () => wakeAll(late),
    onProgress: () => late.agent?.tell(),
    act,
  });
  const { intent } = journal.state;
  // A crash may have come between an order and what it forgets.
  if (intent !== undefined) await secrets.retain(secretsOfIntent(intent));
  const hostFacts = await openFacts(parts, measures, guard);
  const duties = openDuties(parts, { catalogue, requests, late });
  const histories = openHistories(parts, { engineOf, requests, late });
  const seen = { guard, engineOf, histories, pins };
  const work = { runtimes, ...seen, catalogue, measures, requests, secrets, duties, late };
  const agent = assemble(parts, work, hostFacts.observe);
  const backups = openBackupLoops(parts, work);
  Object.assign(late, { agent, requests, measures, duties, backups });
  duties.wake();
  const members = (): readonly MemberIntent[] => intentsOf(parts);
  return {
    agent,
    output: {
      outputOf: outputsOf({ ...config, clock: parts.clock, runtimes, members }),
      redact: (text) => secrets.redact(text),
    },
    async stop() {
      await Promise.all([duties.stop(), histories.stop()]); // what they would begin now ends at once
      await agent.stop();
      forgetAll(); // an open link to a member would keep this process alive
      await Promise.all([measures.stop(), backups.stop(), copies.stop()]);
      hostFacts.stop();
    },
  };
}

const openFacts = (parts: AgentParts, { disks }: Measures, { deadman }: Guard) =>
  openHostFacts({
    ...parts,
    ...{ disks, deadman },
    paths: () => [...storagesOf(parts), ...backupPathsOf(intentsOf(parts))],
  });

const openHistories = (
  parts: AgentParts,
  { engineOf, requests, late }: Pick<Work, 'engineOf' | 'requests' | 'late'>,
): Histories =>
  createHistories({
    ...parts,
    engineOf,
    isBusy: (member) => requests.isRestoring(member) || (late.agent?.isBusy(member) ?? false),
    onChange: () => late.agent?.tell(),
  });

interface Work {
  readonly runtimes: Runtimes;
  readonly guard: Guard;
  readonly histories: Histories;
  readonly engineOf: (intent: MemberIntent) => Engine;
  readonly catalogue: Catalogue;
  readonly pins: Pins;
  readonly measures: Measures;
  readonly requests: Requests;
  readonly secrets: Secrets;
  readonly duties: Duties;
  readonly late: Late;
}

function openDuties(
  { journal, clock, log }: AgentParts,
  { catalogue, requests, late }: Pick<Work, 'catalogue' | 'requests' | 'late'>,
): Duties {
  return createDuties({
    journal,
    clock,
    log,
    catalogue,
    requests,
    members: () => late.agent?.facts() ?? [],
    isBusy: (member) => late.agent?.isBusy(member) ?? false,
    onChange: () => late.agent?.tell(),
  });
}

function openBackupLoops(
  { journal, clock, log }: AgentParts,
  { runtimes, ...work }: Work,
): BackupLoops {
  const { catalogue, pins, engineOf, duties, late } = work;
  return startBackupLoops({
    journal,
    clock,
    log,
    catalogue,
    pins,
    engineOf,
    runtime: (name) => runtimes.of(name),
    operationOn: (service) => duties.operationOn(service),
    onChange: () => late.agent?.tell(),
  });
}

function assemble(parts: AgentParts, work: Work, hostFact: () => Promise<HostFact>): Agent {
  const { journal, clock, log, fleet } = parts;
  const { requests, engineOf, measures, catalogue, secrets } = work;
  const runtimeOf = ({ spec }: MemberIntent) => work.runtimes.of(spec.runtime);
  const { permits, deadman } = work.guard;
  const observer = work.guard.watching(
    createObserver({
      journal: () => journal.state,
      permits,
      clock,
      fleet,
      runtimeOf,
      runtime: (name) => work.runtimes.of(name),
      engineOf,
      isPromoting: (member) => requests.isPromoting(member),
      restartOf: (member) => requests.restartOf(member),
      isBusy: (member) =>
        requests.isRestoring(member) || (work.late.agent?.isBusy(member) ?? false),
      wasStoppedBeside: (member, sinceMs) => deadman.hasStoppedSince(member, sinceMs),
      dataBytes: () => measures.meter.dataBytes(),
      largestDatabases: () => measures.meter.largestDatabases(),
      secrets,
      backups: () => catalogue.list(),
    }),
  );
  return startAgent({
    host: parts.host,
    version: VERSION,
    bootId: parts.bootId,
    kinds: Object.keys(engineFactories),
    clock,
    log,
    journal,
    permits,
    observer: notingLeaders(work.histories.watching(observer), parts),
    histories: work.histories,
    evictions: createEvictions({
      runtime: (name) => work.runtimes.of(name),
      journal,
      log,
      onEnd: () => work.late.agent?.wake(),
    }),
    hands: {
      journal,
      permits,
      secrets,
      deadman,
      hooks: createBootHooks(parts.config.stateDirectory),
      now: () => clock.now(),
      clock,
      fleet,
      log,
      runtimeOf,
      engineOf,
      backups: { catalogue, pins: work.pins },
    },
    secrets,
    requests,
    duties: work.duties,
    backups: () => catalogue.list(),
    findings: () => measures.findings.current(),
    certificates: () => measures.findings.certificates(),
    observeHost: hostFact,
    send: parts.send,
    onNews: () => {
      measures.findings.wake();
      work.duties.wake();
    },
  });
}

function openHostCopies(
  parts: AgentParts,
  { late, ...rest }: Pick<Work, 'catalogue' | 'secrets' | 'late'> & { readonly pins: Pins },
): Copies {
  return openCopies({
    ...rest,
    stateDirectory: parts.config.stateDirectory,
    host: parts.host,
    clock: parts.clock,
    log: parts.log,
    members: () => intentsOf(parts),
    activityOf: (member) => late.requests?.activityOf(member),
    onChange: () => {
      late.measures?.findings.wake();
      late.agent?.tell();
    },
  });
}

function openHostDrills(
  parts: AgentParts,
  { runtimes, secrets }: Pick<Work, 'runtimes' | 'secrets'>,
): Drills {
  return openDrills({
    stateDirectory: parts.config.stateDirectory,
    clock: parts.clock,
    log: parts.log,
    runtime: (name) => runtimes.of(name),
    members: () => intentsOf(parts),
    environmentOf: (member, spec) => secrets.environmentOf(member, spec),
    redact: (text) => secrets.redact(text),
    signal: parts.signal,
  });
}

interface Measures {
  readonly disks: DiskWatcher;
  readonly meter: DataMeter;
  readonly findings: Findings;
  stop(): Promise<void>;
}

function startMeasures(
  parts: AgentParts,
  {
    runtimes,
    guard,
    catalogue,
    copies,
  }: Pick<Work, 'runtimes' | 'guard' | 'catalogue'> & { readonly copies: Copies },
  onChange: () => void,
): Measures {
  const { config, clock, log } = parts;
  const { roots } = config;
  const paths = (): readonly string[] => storagesOf(parts);
  const everyMs = config.probeEverySeconds * 1000;
  const disks = startDiskWatcher({ roots, clock, log, paths, everyMs });
  const meter = startDataMeter({ clock, log, paths, everyMs: DATA_METER_EVERY_MS });
  const findings = startFindings({
    roots,
    clock,
    log,
    everyMs: config.checkEverySeconds * 1000,
    dockerSocket: config.dockerSocket,
    runtimes,
    members: () => intentsOf(parts),
    clockOffsetMs: parts.clockOffsetMs,
    deadman: () => guard.deadman.fact(),
    latency: () => disks.latency(),
    dataBytes: () => meter.dataBytes(),
    goneBackups: () => catalogue.gone(),
    offsite: (signal) => copies.fact(signal),
    onChange,
  });
  return {
    disks,
    meter,
    findings,
    async stop() {
      await Promise.all([disks.stop(), meter.stop(), findings.stop()]);
    },
  };
}
