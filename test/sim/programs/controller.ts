// The controller's controller.ts without sockets, certificates and metrics: production parts, put together the same
// way.
import { systemClock } from '@leafward/shared/clock.js';
import { messageOf } from '@leafward/shared/errors.js';
import type { Logger } from '@leafward/shared/log.js';
import { openFleet, type Fleet } from '@leafward/controller/fleet.js';
import {
  isNews,
  mayMatter,
  startAutomaticLoop,
} from '@leafward/controller/operations/automatic-loop.js';
import { startOperationLoop } from '@leafward/controller/operations/operation-loop.js';
import { createPlanDesk, type PlanDesk } from '@leafward/controller/operators/plans.js';
import { buildStatus } from '@leafward/controller/planning/index.js';
import { createSessions, type AgentStream } from '@leafward/controller/sessions.js';
import { openDatabase } from '@leafward/controller/store/database.js';
import { createFleetStore } from '@leafward/controller/store/fleet-store.js';
import type { FleetTables } from '@leafward/controller/store/tables.js';
import type { Change } from '@leafward/controller/changes.js';
import type { SecretValue } from '@leafward/shared/gen/domain.js';

export interface ControllerMachine {
  readonly fleet: string;
  readonly storePath: string;
  readonly hosts: readonly string[];
  readonly log: Logger;
  readonly secrets: readonly SecretValue[];
  readonly onCommit: (changes: readonly Change[], epoch: number) => void;
  /** Another controller took the store over: the process must end. */
  readonly onFatal: (error: Error) => void;
}

export interface RunningController {
  readonly fleet: Fleet;
  readonly plans: PlanDesk;
  readonly accept: (host: string, stream: AgentStream) => void;
  readonly connected: () => number;
  readonly status: () => ReturnType<typeof buildStatus>;
}

const HOUSEKEEPING_MS = 5000;
const REPORT_EVERY_MS = 5000;

export async function start(machine: ControllerMachine): Promise<RunningController> {
  const clock = systemClock;
  const { log } = machine;
  const { db } = await openDatabase<FleetTables>(machine.storePath);
  const store = createFleetStore(db);
  const fleet = await openFleet({
    name: machine.fleet,
    store,
    clock,
    onReplaced: machine.onFatal,
  });
  fleet.onCommit((changes) => machine.onCommit(changes, fleet.epoch));
  const remember = (host: string): void => {
    const live = fleet.host(host);
    store
      .rememberHost(host, live.lastSeenAt ?? clock.now(), live)
      .catch((error: unknown) => log.warn(`remember host ${host}: ${messageOf(error)}`));
  };
  const sessions = createSessions({
    fleet,
    clock,
    log,
    reportEveryMs: REPORT_EVERY_MS,
    secretsFor: () => machine.secrets,
    remember,
  });
  const loop = startOperationLoop({ fleet, clock, log });
  const automatic = startAutomaticLoop({ fleet, clock, log });
  fleet.setIdentities(machine.hosts.map((name) => ({ name, revoked: false })));
  sessions.onReport((host) => {
    if (mayMatter(fleet, host)) automatic.wake();
    if (fleet.operations().some((operation) => operation.state === 'running')) loop.wake();
  });
  fleet.onCommit((changes) => {
    loop.wake();
    if (changes.some(isNews)) automatic.wake();
  });
  setInterval(() => {
    sessions.sweep();
    const [oldest] = fleet.liveHosts().filter((host) => host.session !== undefined);
    if (oldest !== undefined) remember(oldest.name);
  }, HOUSEKEEPING_MS);
  const certificate = { expiresAt: Number.MAX_SAFE_INTEGER, isRevoked: () => false };
  return {
    fleet,
    plans: createPlanDesk(fleet, store, clock),
    accept: (host, stream) => sessions.accept(host, stream, certificate),
    connected: () => sessions.connected(),
    status: () => buildStatus(fleet.snapshot()),
  };
}
