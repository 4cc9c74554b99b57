// Fails services over that nobody has to be asked for: asks the pure decision, commits what it says in one transaction,
// with the plan bound to the snapshot that it was made from. Has no opinion of its own; what it has begun is an operation
// like any other.
import { randomBytes } from 'node:crypto';
import type { Clock } from '@leafward/shared/clock.js';
import type { Operation } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { startLoop, type Loop } from '@leafward/shared/loop.js';
import type { Change } from '../changes.js';
import type { Fleet } from '../fleet.js';
import {
  decideAutomatic,
  gatherService,
  newOperation,
  PROBE_PREFIX,
  requestsOf,
  type AutomaticStep,
} from '../planning/index.js';
import type { AutomaticState, Snapshot } from '../snapshot.js';

export interface AutomaticLoopOptions {
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called after it was committed, for the audit and the metrics. */
  readonly onBegun?: (operation: Operation) => void;
}

/** Leases end and witnesses fall silent by time alone; deaths and answers wake the loop. */
const EVERY_MS = 1000;
const DEADLINE_MS = 30_000;
/** Who a failover that acts alone was ordered by. */
export const AUTOMATIC = 'automatic';

export function startAutomaticLoop(options: AutomaticLoopOptions): Loop {
  const { fleet, clock, log } = options;
  return startLoop({
    name: 'automatic failover',
    clock,
    log,
    everyMs: EVERY_MS,
    deadlineMs: DEADLINE_MS,
    pass: async () => {
      if (!Object.values(fleet.services()).some(isWatched)) return undefined;
      const { sentences, begun } = await decideOnce(fleet);
      for (const operation of begun) options.onBegun?.(operation);
      return sentences.length === 0 ? undefined : sentences.join('; ');
    },
  });
}

const isWatched = ({ declaration, automatic }: Snapshot['services'][string]): boolean =>
  declaration.failover.mode === 'automatic' || automatic?.recovery !== undefined;

/** A witness has answered, or what was going on has ended. */
export const isNews = (change: Change): boolean =>
  change.kind === 'operation' ||
  (change.kind === 'outcome' && change.outcome.requestId.startsWith(PROBE_PREFIX));

/** Whether this report, or that this host is gone, may be a reason to look at once. */
export function mayMatter(fleet: Fleet, host: string): boolean {
  const { session, members } = fleet.host(host);
  return (
    session === undefined || Object.values(members).some(({ value }) => value.death !== undefined)
  );
}

export interface AutomaticPass {
  readonly sentences: readonly string[];
  readonly begun: readonly Operation[];
}

/** One decision on a fresh snapshot, and its commit. */
export function decideOnce(
  fleet: Pick<Fleet, 'transact' | 'showAutomatic'>,
): Promise<AutomaticPass> {
  return fleet.transact((snapshot) => {
    const draft = createDraft(snapshot);
    for (const step of decideAutomatic(snapshot)) take(draft, step);
    for (const [service, { state, isDurable }] of draft.states)
      if (isDurable) draft.changes.push({ kind: 'automatic', service, state });
      else fleet.showAutomatic(service, state);
    const { changes, sentences, begun } = draft;
    return { changes, value: { sentences, begun } };
  });
}

const createDraft = (snapshot: Snapshot) => ({
  snapshot,
  changes: [] as Change[],
  sentences: [] as string[],
  begun: [] as Operation[],
  states: new Map<string, { readonly state: AutomaticState; readonly isDurable: boolean }>(),
});
type Draft = ReturnType<typeof createDraft>;

function take(draft: Draft, step: AutomaticStep): void {
  switch (step.kind) {
    case 'remember':
      remember(draft, step.service, step.state, step.isDurable);
      if (step.event !== undefined) draft.sentences.push(step.event);
      return;
    case 'ask':
      return ask(draft, step);
    case 'begin':
      return begin(draft, step);
    case 'bug':
      draft.sentences.push(
        `${step.service}: cannot decide on a failover, which is a bug of leafward: ${step.message}`,
      );
  }
}

function remember(draft: Draft, service: string, state: AutomaticState, isDurable: boolean): void {
  const before = draft.states.get(service)?.isDurable === true;
  draft.states.set(service, { state, isDurable: isDurable || before });
}

const stateOf = ({ states, snapshot }: Draft, service: string): AutomaticState =>
  states.get(service)?.state ?? snapshot.services[service]?.automatic ?? {};

function ask(draft: Draft, { service, round }: Extract<AutomaticStep, { kind: 'ask' }>): void {
  const { snapshot } = draft;
  const at = gatherService(snapshot, service);
  if (at === undefined) return;
  for (const { host, request } of requestsOf(snapshot, at, round))
    draft.changes.push({ kind: 'request', state: { request, host, createdAt: snapshot.now } });
  const state = stateOf(draft, service);
  remember(draft, service, { ...state, memory: { ...state.memory, round } }, false);
  draft.sentences.push(
    `${service}: asks ${Object.keys(round.requests).join(', ')} whether its silent leader answers`,
  );
}

function begin(draft: Draft, step: Extract<AutomaticStep, { kind: 'begin' }>): void {
  const { snapshot } = draft;
  const { service, plan, from } = step;
  const id = `op-${randomBytes(4).toString('hex')}`;
  const operation = newOperation(plan, { id, createdBy: AUTOMATIC, now: snapshot.now });
  const because = plan.goal.kind === 'failover' ? plan.goal.automatic : undefined;
  const event = `begun by itself with plan ${plan.id}: ${because ?? ''}`;
  draft.changes.push(
    { kind: 'plan', plan, images: {} },
    { kind: 'operation', operation, events: [event], at: snapshot.now },
  );
  const { ledTerm } = stateOf(draft, service);
  const term = (snapshot.services[service]?.topology.term ?? 0) + 1;
  const recovery = { operationId: id, at: snapshot.now, term, from };
  remember(draft, service, { ledTerm, recovery }, true);
  draft.sentences.push(`${service}: ${id} ${event}`);
  draft.begun.push(operation);
}
