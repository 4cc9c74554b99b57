// The operator's service: checks the role, hands the call to whoever owns it, writes down who ordered what.
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { Explanation, OperatorService, Plan } from '@leafward/shared/gen/domain.js';
import type { HandlerCall, ServiceHandlers } from '@leafward/shared/rpc/service.js';
import type { Fleet } from '../fleet.js';
import { buildStatus, explain } from '../planning/index.js';
import type { Vault } from '../secrets/vault.js';
import type { FleetStore } from '../store/fleet-store.js';
import { assertMay, type Operator } from './access.js';
import { actOnBackup, verifyBackup } from './backups.js';
import { cellCalls } from './cells.js';
import { acknowledgeFailover } from './acknowledge.js';
import { testEngine } from './engines.js';
import { getForecast } from './forecast.js';
import { endWaiver, getFindings, tuneHost, waive } from './hosts.js';
import { showOperation, showPlan } from './hide.js';
import type { LiveCalls } from './live-calls.js';
import type { People } from './people.js';
import type { PlanDesk } from './plans.js';
import { secretCalls } from './secrets.js';
import type { Watchers } from './watch.js';

export interface OperatorsOptions {
  readonly fleet: Fleet;
  readonly store: FleetStore;
  readonly clock: Clock;
  readonly plans: PlanDesk;
  readonly people: People;
  readonly vault: Vault;
  readonly watchers: Watchers;
  readonly liveCalls: LiveCalls;
  readonly streamLogs: ServiceHandlers<OperatorService, Operator>['streamLogs'];
  readonly audit: (row: { who: string; what: string; subject: string; result: string }) => void;
}

const LISTED = 200;
const WATCH_EVERY_MS = 200; // as fast as an eye follows
const WATCH_AT_LEAST_MS = 5000;
const AUDIT_LIMIT = 1000;

export function createOperators(
  options: OperatorsOptions,
): ServiceHandlers<OperatorService, Operator> {
  const handlers = {
    ...reads(options),
    ...orders(options),
    ...peopleCalls(options),
    ...secretCalls(options),
    ...cellCalls(options),
    streamLogs: options.streamLogs,
  };
  const guarded = Object.entries(handlers).map(([name, handler]) => {
    const method = name as keyof OperatorService;
    const call = handler as unknown as (request: unknown, call: HandlerCall<Operator>) => unknown;
    return [
      method,
      (request: unknown, context: HandlerCall<Operator>): unknown => {
        try {
          assertMay(context.caller, method);
        } catch (error) {
          options.audit({
            who: context.caller.name,
            what: method,
            subject: '',
            result: messageOf(error),
          });
          throw error;
        }
        const signal = isStream(method)
          ? options.liveCalls.track(context.caller.name, context.signal)
          : context.signal;
        return call(request, { ...context, signal });
      },
    ] as const;
  });
  return Object.fromEntries(guarded) as unknown as ServiceHandlers<OperatorService, Operator>;
}

const isStream = (method: keyof OperatorService): boolean =>
  method === 'watchStatus' || method === 'watchOperation' || method === 'streamLogs';

type Handlers = ServiceHandlers<OperatorService, Operator>;
type Reads = Pick<
  Handlers,
  | 'getStatus'
  | 'watchStatus'
  | 'listHosts'
  | 'getFindings'
  | 'listWaivers'
  | 'getPlan'
  | 'listPlans'
  | 'listOperations'
  | 'getOperation'
  | 'watchOperation'
  | 'listBackups'
  | 'explain'
  | 'getForecast'
>;

function reads({ fleet, store, clock, watchers }: OperatorsOptions): Reads {
  const status = (service: string | undefined) => {
    const built = buildStatus(fleet.snapshot());
    const whole = { ...built, operations: built.operations.map(showOperation) };
    if (service === undefined) return whole;
    const services = whole.services.filter((view) => view.service === service);
    if (services.length === 0)
      throw noSuch(
        'service',
        service,
        whole.services.map((v) => v.service),
      );
    return { ...whole, services };
  };
  const operation = async (id: string) => {
    const found = fleet.operations().find((o) => o.id === id) ?? (await store.operation(id));
    if (found === undefined) throw new LeafwardError('not-found', `there is no operation ${id}`);
    return found;
  };
  return {
    getStatus: async ({ service }) => ({ status: status(service) }),
    watchStatus: ({ service }, { signal }) =>
      watchers.watch({
        read: () => ({ status: status(service) }),
        everyMs: WATCH_EVERY_MS,
        atLeastMs: WATCH_AT_LEAST_MS,
        signal,
      }),
    listHosts: async () => ({ hosts: buildStatus(fleet.snapshot()).hosts }),
    getFindings: (request) => getFindings(fleet, clock, request),
    listWaivers: async () => ({ waivers: fleet.snapshot().waivers }),
    getPlan: async ({ id }) => {
      const stored = await store.plan(id);
      if (stored === undefined) throw new LeafwardError('not-found', `there is no plan ${id}`);
      return { plan: showPlan(stored.plan) };
    },
    listPlans: async () => ({ plans: (await store.plans(LISTED)).map(showPlan) }),
    listOperations: async ({ all }) => ({
      operations: (all ? await store.operations(LISTED) : fleet.operations()).map(showOperation),
    }),
    getOperation: async ({ id }) => ({
      operation: showOperation(await operation(id)),
      events: await store.events(id),
    }),
    watchOperation: ({ id }, { signal }) =>
      watchers.watch({
        read: async () => ({ operation: showOperation(await operation(id)), now: clock.now() }),
        isLast: (value) => value.operation.state === 'done' || value.operation.state === 'aborted',
        everyMs: WATCH_EVERY_MS,
        atLeastMs: WATCH_AT_LEAST_MS,
        signal,
      }),
    listBackups: async ({ service }) => ({
      backups: fleet
        .snapshot()
        .backups.filter((b) => service === undefined || b.service === service),
    }),
    explain: ({ subject }) => explainSubject(fleet, store, subject),
    getForecast: async ({ subject }) => getForecast(fleet.snapshot(), subject),
  };
}

async function explainSubject(fleet: Fleet, store: FleetStore, subject: string) {
  const plan = await store.plan(subject);
  if (plan !== undefined) return { explanations: [explainPlan(plan.plan)] };
  const snapshot = fleet.snapshot();
  const ended = await store.operation(subject);
  const isOpen = snapshot.operations.some((o) => o.id === subject);
  const operations =
    ended === undefined || isOpen ? snapshot.operations : [...snapshot.operations, ended];
  const explanations = explain({ ...snapshot, operations }, subject);
  if (explanations.length === 0)
    throw noSuch('member, service, host, operation or plan', subject, [
      ...Object.keys(snapshot.services),
      ...Object.keys(snapshot.hosts),
    ]);
  return { explanations };
}

function explainPlan(plan: Plan): Explanation {
  const failed = plan.gates.filter((gate) => !gate.passed).length;
  return {
    subject: plan.id,
    summary:
      plan.refusals.length > 0
        ? `plan to ${plan.goal.kind} is refused; ${failed} of ${plan.gates.length} gates failed`
        : `plan to ${plan.goal.kind} has ${plan.moves.length} moves; all ${plan.gates.length} gates passed`,
    facts: plan.gates.flatMap((gate) => [
      { name: gate.name, value: `${gate.passed ? 'passed' : 'failed'}: ${gate.message}` },
      ...gate.evidence,
    ]),
    waits: [],
    refusals: plan.refusals,
    findings: [],
  };
}

type Orders = Pick<
  Handlers,
  | 'makePlan'
  | 'applyPlan'
  | 'controlOperation'
  | 'acknowledgeFailover'
  | 'tuneHost'
  | 'waive'
  | 'endWaiver'
  | 'testEngine'
  | 'verifyBackup'
  | 'actOnBackup'
>;

function orders({ fleet, clock, plans, audit }: OperatorsOptions): Orders {
  /** Carries an order out and writes down who gave it and what came of it. */
  const audited = async <T>(
    who: Operator,
    what: string,
    subject: string,
    act: () => Promise<T>,
  ): Promise<T> => {
    try {
      const value = await act();
      audit({ who: who.name, what, subject, result: 'done' });
      return value;
    } catch (error) {
      audit({ who: who.name, what, subject, result: messageOf(error) });
      throw error;
    }
  };
  return {
    makePlan: async ({ goal }) => ({ plan: showPlan(await plans.make(goal)) }),
    applyPlan: ({ id }, { caller }) =>
      audited(caller, 'apply plan', id, async () => ({
        operation: showOperation(await plans.apply(id, caller)),
      })),
    controlOperation: ({ id, control, reason }, { caller }) =>
      audited(caller, `${control} operation`, id, async () => ({
        operation: showOperation(await plans.control(id, control, reason, caller)),
      })),
    acknowledgeFailover: ({ service }, { caller }) =>
      audited(caller, 'acknowledge failover', service, () => acknowledgeFailover(fleet, service)),
    tuneHost: (request, { caller }) =>
      audited(caller, request.undo ? 'undo tuning' : 'tune host', request.host, async () => ({
        outcome: await tuneHost(fleet, clock, request),
      })),
    testEngine: (request, { caller }) =>
      audited(caller, 'test engine', request.member, () => testEngine(fleet, clock, request)),
    verifyBackup: (request, { caller }) =>
      // Asked again and again while it goes on: only the beginning is an order.
      request.requestId === undefined
        ? audited(caller, 'verify backup', request.backup, () =>
            verifyBackup(fleet, clock, request),
          )
        : verifyBackup(fleet, clock, request),
    actOnBackup: (request, { caller }) =>
      request.requestId === undefined
        ? audited(
            caller,
            `${request.kind} backup`,
            request.backup === '' ? (request.service ?? '') : request.backup,
            () => actOnBackup(fleet, clock, request),
          )
        : actOnBackup(fleet, clock, request),
    waive: (request, { caller }) =>
      audited(caller, 'waive', `${request.host} ${request.check}`, async () => ({
        waiver: await waive(fleet, request, caller),
      })),
    endWaiver: (request, { caller }) =>
      audited(caller, 'end waiver', `${request.host} ${request.check}`, async () => {
        await endWaiver(fleet, request);
        return {};
      }),
  };
}

type PeopleCalls = Pick<
  Handlers,
  | 'inviteHost'
  | 'revokeHost'
  | 'listUsers'
  | 'inviteUser'
  | 'revokeUser'
  | 'renewCertificate'
  | 'listAudit'
>;

function peopleCalls({ people }: OperatorsOptions): PeopleCalls {
  return {
    inviteHost: (request, { caller }) => people.inviteHost(request, caller),
    revokeHost: (request, { caller }) => people.revokeHost(request, caller),
    listUsers: () => people.listUsers(),
    inviteUser: (request, { caller }) => people.inviteUser(request, caller),
    revokeUser: (request, { caller }) => people.revokeUser(request, caller),
    renewCertificate: ({ csrPem }, { caller }) => people.renew(caller, csrPem),
    listAudit: ({ limit }) => people.listAudit(Math.min(limit === 0 ? LISTED : limit, AUDIT_LIMIT)),
  };
}

function noSuch(what: string, name: string, known: readonly string[]): LeafwardError {
  const others =
    known.length === 0 ? 'there are none yet' : `there are: ${[...known].sort().join(', ')}`;
  return new LeafwardError('not-found', `there is no ${what} ${name}; ${others}`);
}
