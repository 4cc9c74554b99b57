// Wires one controller out of its parts and ends it in order. The only place where they meet.
import { join } from 'node:path';
import type { Clock } from '@leafward/shared/clock.js';
import { messageOf } from '@leafward/shared/errors.js';
import type { AuditRow } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import type { Loop } from '@leafward/shared/loop.js';
import {
  openAuthority,
  startServerIdentity,
  type Authority,
  type ServerIdentity,
} from './authority.js';
import { splitAddress, type ControllerConfig } from './config.js';
import { createEnrollment, type Enrollment } from './enrollment.js';
import { openFleet, type Fleet } from './fleet.js';
import type { IdentityStore } from './identity-store.js';
import { targetGroups } from './metrics/discovery.js';
import { createLogsDesk, type LogsDesk } from './logs/logs-desk.js';
import { startMetricsServer } from './metrics/http.js';
import { createMetrics, type Metrics } from './metrics/metrics.js';
import { isNews, mayMatter, startAutomaticLoop } from './operations/automatic-loop.js';
import { startOperationLoop } from './operations/operation-loop.js';
import { startSpaceLoop } from './operations/space-loop.js';
import { createLiveCalls } from './operators/live-calls.js';
import { createOperators } from './operators/operators.js';
import { createPeople } from './operators/people.js';
import { createPlanDesk } from './operators/plans.js';
import { createWatchers, type Watchers } from './operators/watch.js';
import {
  startEnrollmentListener,
  startMutualListener,
  type OperatorCaller,
  type ServersOptions,
} from './servers.js';
import { createRebuilder } from './rebuild/rebuilder.js';
import { secretsFor } from './secrets/deliver.js';
import { forgetUnused, newestByName } from './secrets/uses.js';
import { openVault, vaultKeyPath, type Vault } from './secrets/vault.js';
import { createSessions, type Sessions } from './sessions.js';
import { createTransfers } from './transfers.js';
import { openDatabase, type Database } from './store/database.js';
import { createFleetStore, type FleetStore } from './store/fleet-store.js';
import { openIdentityStore, type IdentityTables } from './store/identities.js';
import { createSpaceStore, type SpaceStore } from './store/space-store.js';
import type { FleetTables } from './store/tables.js';
import { VERSION } from './version.js';

type Tables = FleetTables & IdentityTables;

export interface Controller {
  readonly ports: { readonly mtls: number; readonly enrollment: number; readonly metrics: number };
  readonly fleet: Fleet;
  stop(): Promise<void>;
}

export interface ControllerOptions {
  readonly stateDir: string;
  readonly config: ControllerConfig;
  readonly clock: Clock;
  readonly log: Logger;
  /** Another controller took the store over, or the loop met a bug: the process must end. */
  readonly onFatal: (error: Error) => void;
}

const DAY_MS = 24 * 3_600_000;
const HOUSEKEEPING_MS = 5000;
const PRUNE_EVERY_MS = 3_600_000;
const DRAIN_MS = 300; // enough for the last messages of every stream to leave
const RECONNECT_AFTER_MS = 500;

/** What `run` and `init` both need: the store, the CA and who may come in. */
export interface Foundation {
  readonly database: Database<Tables>;
  readonly authority: Authority;
  readonly identities: IdentityStore;
  readonly enrollment: Enrollment;
  readonly store: FleetStore;
  readonly space: SpaceStore;
  readonly vault: Vault;
}

export const storePath = (stateDir: string): string => join(stateDir, 'store.sqlite');
export const authorityPath = (stateDir: string): string => join(stateDir, 'ca');

export async function openFoundation(
  options: Pick<ControllerOptions, 'stateDir' | 'config' | 'clock'>,
): Promise<Foundation> {
  const { config, stateDir, clock } = options;
  const authority = await openAuthority(authorityPath(stateDir), config.fleet);
  const vault = await openVault(vaultKeyPath(stateDir));
  const database = await openDatabase<Tables>(storePath(stateDir));
  const identities = await openIdentityStore(database.db);
  const [name = 'localhost'] = config.names;
  const reached = (listen: string): string =>
    `${name.includes(':') ? `[${name}]` : name}:${splitAddress(listen).port}`;
  const enrollment = createEnrollment({
    authority,
    store: identities,
    clock,
    address: reached(config.listen.mtls),
    enrollmentAddress: reached(config.listen.enrollment),
    lifetimesMs: {
      agent: config.certificates.agentDays * DAY_MS,
      user: config.certificates.userDays * DAY_MS,
    },
  });
  return {
    database,
    authority,
    identities,
    enrollment,
    store: createFleetStore(database.db),
    space: createSpaceStore(database.db),
    vault,
  };
}

/** @throws LeafwardError when the store, the CA or a listener cannot be had; nothing is left running then. */
export async function startController(options: ControllerOptions): Promise<Controller> {
  const { config, clock, log } = options;
  const stops: (() => Promise<unknown> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).reverse())
      await Promise.resolve(end()).catch((error: unknown) =>
        log.warn(`while stopping: ${messageOf(error)}`),
      );
  };
  try {
    const foundation = await openFoundation(options);
    stops.push(() => foundation.database.close());
    const fleet = await openFleet({
      name: config.fleet,
      store: foundation.store,
      clock,
      onReplaced: options.onFatal,
    });
    const server = await startServerIdentity({
      authority: foundation.authority,
      name: config.names[0] ?? 'controller',
      hosts: config.names,
      lifetimeMs: config.certificates.controllerDays * DAY_MS,
      clock,
      log,
    });
    stops.push(() => server.stop());
    const ports = await serve(options, foundation, fleet, server, stops);
    log.info(
      { epoch: fleet.epoch, ...ports },
      `controller of fleet ${config.fleet} is up: agents and operators at ${ports.mtls}, enrolment at ${ports.enrollment}, metrics at ${ports.metrics}`,
    );
    return { ports, fleet, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Stops = (() => Promise<unknown> | void)[];

async function serve(
  options: ControllerOptions,
  foundation: Foundation,
  fleet: Fleet,
  server: ServerIdentity,
  stops: Stops,
): Promise<Controller['ports']> {
  const { config, clock, log } = options;
  const metrics = createMetrics(VERSION);
  stops.push(() => metrics.stop());
  const rebuilder = createRebuilder({ fleet, identities: foundation.identities, clock, log });
  const sessions = createSessions({
    fleet,
    rebuilder,
    clock,
    log,
    reportEveryMs: config.reportEveryMs,
    secretsFor: (intent) =>
      secretsFor({ vault: foundation.vault, secrets: () => fleet.secrets(), log }, intent),
    remember: (host) => void remember(foundation.store, fleet, host, clock, log),
    onReport: (host, report) => metrics.observeReport(host, report),
  });
  const watchers = createWatchers(clock);
  const loop = startOperationLoop({ fleet, clock, log });
  stops.push(() => loop.stop());
  const audit = auditTo({ ...options, foundation });
  const automatic = startAutomaticLoop({
    fleet,
    clock,
    log,
    onBegun: ({ planId, createdBy, services: [service = ''] }) => {
      metrics.observeAutomaticFailover(service);
      audit({ who: createdBy, what: 'apply plan', subject: planId, result: 'done' });
    },
  });
  stops.push(() => automatic.stop());
  const space = startSpaceLoop({ fleet, store: foundation.space, clock, log });
  stops.push(() => space.stop());
  const { identities } = foundation;
  keepTrack({ fleet, sessions, watchers, loop, automatic, metrics, identities });
  stops.push(startHousekeeping({ ...options, fleet, sessions, metrics, foundation }));

  const logs = createLogsDesk({ fleet, sessions, clock });
  const shared: ServersOptions = {
    fleet: config.fleet,
    clock,
    log,
    identities: foundation.identities,
    enrollment: foundation.enrollment,
    sessions,
    transfers: createTransfers(() => fleet.snapshot()),
    logs,
    onRefused: (reason) => metrics.observeRefusedCall(reason),
    recognise: (agent) => rebuilder.recognise(agent),
    onAgent: () => fleet.setIdentities(hostIdentities(foundation.identities)),
    operators: operatorHandlers({ ...options, foundation, fleet, sessions, watchers, audit, logs }),
  };
  const http = await startMetricsServer({
    ...splitAddress(config.listen.metrics),
    collect: () => metrics.collectSnapshot(fleet.snapshot()),
    discover: () => targetGroups(fleet.snapshot()),
    health: () => healthOf(loop.idleMs(), sessions.connected()),
    onError: (error) => log.error(`a scrape failed: ${messageOf(error)}`),
  });
  stops.push(() => http.close());
  return { ...(await listen(options, shared, server, stops)), metrics: http.port };
}

async function listen(
  { config: { listen: at }, clock }: ControllerOptions,
  shared: ServersOptions,
  server: ServerIdentity,
  stops: Stops,
): Promise<Omit<Controller['ports'], 'metrics'>> {
  const enrolling = await startEnrollmentListener(shared, server.enrollment, at.enrollment);
  stops.push(() => enrolling.server.forceShutdown());
  const mutual = await startMutualListener(shared, server.mutual, at.mtls);
  stops.push(async () => {
    shared.sessions.drain('the controller ends; it may be back at once', RECONNECT_AFTER_MS);
    await clock.sleep(DRAIN_MS);
    mutual.server.forceShutdown();
  });
  return { mtls: mutual.port, enrollment: enrolling.port };
}

/** A loop that has not passed for this long is stuck: its timer is a second. */
const STUCK_AFTER_MS = 60_000;

function healthOf(idleMs: number, agents: number) {
  return {
    healthy: idleMs < STUCK_AFTER_MS,
    lines: [`operations loop passed ${Math.round(idleMs)} ms ago`, `${agents} agents connected`],
  };
}

type Audit = (row: Omit<AuditRow, 'at'>) => void;

const auditTo =
  ({ foundation, clock, log }: ControllerOptions & { readonly foundation: Foundation }): Audit =>
  (row) =>
    void foundation.identities
      .addAudit({ at: clock.now(), ...row })
      .catch((error: unknown) => log.error(`write the audit: ${messageOf(error)}`));

interface OperatorParts extends ControllerOptions {
  readonly audit: Audit;
  readonly foundation: Foundation;
  readonly fleet: Fleet;
  readonly sessions: Sessions;
  readonly watchers: Watchers;
  readonly logs: LogsDesk;
}

function operatorHandlers(parts: OperatorParts) {
  const { fleet, sessions, foundation, clock } = parts;
  const liveCalls = createLiveCalls();
  return createOperators({
    fleet,
    store: foundation.store,
    vault: foundation.vault,
    clock,
    watchers: parts.watchers,
    liveCalls,
    streamLogs: (request, { signal }) => parts.logs.stream(request, signal),
    plans: createPlanDesk(fleet, foundation.store, clock),
    people: createPeople({
      enrollment: foundation.enrollment,
      store: foundation.identities,
      disconnect: (kind, name) => {
        if (kind === 'user') return liveCalls.end(name);
        fleet.setIdentities(hostIdentities(foundation.identities));
        return sessions.end(name, 'its certificate was revoked') ? 1 : 0;
      },
      serialOf: (caller) => (caller as OperatorCaller).serial,
    }),
    audit: parts.audit,
  });
}

interface Tracked {
  readonly fleet: Fleet;
  readonly sessions: Sessions;
  readonly watchers: Watchers;
  readonly loop: Loop;
  readonly automatic: Loop;
  readonly metrics: Metrics;
  readonly identities: IdentityStore;
}

/** Events only wake loops and watchers. */
function keepTrack(tracked: Tracked): void {
  const { fleet, sessions, watchers, loop, automatic, metrics, identities } = tracked;
  fleet.setIdentities(hostIdentities(identities));
  sessions.onReport((host) => {
    if (mayMatter(fleet, host)) automatic.wake();
    if (fleet.operations().some((operation) => operation.state === 'running')) loop.wake();
    watchers.changed();
  });
  fleet.onCommit((changes) => {
    loop.wake();
    if (changes.some(isNews)) automatic.wake();
    watchers.changed();
    for (const change of changes)
      if (change.kind === 'operation' && !['running', 'paused'].includes(change.operation.state))
        metrics.observeOperationEnded(change.operation.goal.kind, change.operation.state);
  });
}

function hostIdentities(identities: IdentityStore) {
  return identities.principals('agent').map((host) => ({
    name: host.name,
    revoked: host.revokedAt !== undefined,
    certificateExpiresAt: host.certificateExpiresAt,
  }));
}

interface Housekeeping extends ControllerOptions {
  readonly fleet: Fleet;
  readonly sessions: Sessions;
  readonly metrics: Metrics;
  readonly foundation: Foundation;
}

/** What is looked at now and then: silent agents, new identities, facts worth keeping over a restart. */
function startHousekeeping(options: Housekeeping): () => void {
  const { fleet, sessions, foundation, metrics, clock, log } = options;
  const rememberedAt = new Map<string, number>();
  let prunedAt = -Infinity;
  const timer = setInterval(() => {
    sessions.sweep();
    forgetSecrets(fleet, log);
    if (clock.monotonic() - prunedAt > PRUNE_EVERY_MS) {
      prunedAt = clock.monotonic();
      foundation.store
        .prune(fleet.epoch)
        .catch((error: unknown) => log.warn(`prune the store: ${messageOf(error)}`));
    }
    fleet.setIdentities(hostIdentities(foundation.identities));
    metrics.setAgentsConnected(sessions.connected());
    const [oldest] = fleet
      .liveHosts()
      .filter((host) => host.session !== undefined)
      .sort((a, b) => (rememberedAt.get(a.name) ?? 0) - (rememberedAt.get(b.name) ?? 0));
    if (oldest === undefined) return;
    rememberedAt.set(oldest.name, clock.now());
    void remember(foundation.store, fleet, oldest.name, clock, log);
  }, HOUSEKEEPING_MS);
  return () => clearInterval(timer);
}

/** Old versions leave once no order names them any more. */
function forgetSecrets(fleet: Fleet, log: Logger): void {
  const isDue = newestByName(fleet.secrets()).size < fleet.secrets().length;
  if (!isDue) return;
  fleet
    .transact((snapshot) => ({
      changes: forgetUnused(snapshot, fleet.secrets()),
      value: undefined,
    }))
    .catch((error: unknown) => log.warn(`forget old secrets: ${messageOf(error)}`));
}

async function remember(
  store: FleetStore,
  fleet: Fleet,
  host: string,
  clock: Clock,
  log: Logger,
): Promise<void> {
  const live = fleet.host(host);
  await store
    .rememberHost(host, live.lastSeenAt ?? clock.now(), live)
    .catch((error: unknown) => log.warn(`remember host ${host}: ${messageOf(error)}`));
}
