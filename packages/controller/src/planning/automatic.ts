// Whether a service is failed over without anybody's order, and why not. Pure. Must begin nothing while a single guard
// holds, while its plan has a refusal, or for anything but a leader's death by its agent's word and a silent host.
import type { Plan } from '@leafward/shared/gen/domain.js';
import { messageOf } from '@leafward/shared/errors.js';
import type { Snapshot } from '../snapshot.js';
import type { AutomaticStep } from './automatic-step.js';
import { causeOf, isAutomatic, type Cause } from './automatic-cause.js';
import { guardsOf } from './automatic-guards.js';
import { nextRound } from './automatic-probes.js';
import { ASK_CODES, witnessWord } from './automatic-witnesses.js';
import { watched } from './automatic-watch.js';
import { gatherService, type ServiceAt } from './gather.js';
import { planGoal } from './plan-goal.js';
import type { Objection } from './words.js';

export interface Assessment {
  readonly cause: Cause;
  /** Empty: it is failed over. */
  readonly objections: readonly Objection[];
  /** Undefined while guards hold: nothing is planned then. */
  readonly plan?: Plan | undefined;
}

/** Undefined: nothing has failed, or nobody acts alone here. */
export function assess(snapshot: Snapshot, service: ServiceAt): Assessment | undefined {
  if (!isAutomatic(service)) return undefined;
  const cause = causeOf(snapshot, service);
  if (cause === undefined) return undefined;
  const guards = guardsOf({ snapshot, service, cause });
  if (guards.length > 0) return { cause, objections: guards };
  const automatic = witnessWord(snapshot, service, cause);
  const plan = planGoal(snapshot, { kind: 'failover', service: service.name, automatic }, {});
  return { cause, objections: plan.refusals, plan };
}

/** One pass over the fleet. At most one failover begins in it: the next pass sees what it has changed. */
export function decideAutomatic(snapshot: Snapshot): readonly AutomaticStep[] {
  const steps: AutomaticStep[] = [];
  let hasBegun = false;
  for (const name of Object.keys(snapshot.services).sort()) {
    // Of a thousand services few are joined once a second.
    const service = isConcerned(snapshot, name) ? gatherService(snapshot, name) : undefined;
    if (service === undefined) continue;
    steps.push(...watched(snapshot, service));
    const step = safely(snapshot, service);
    if (step === undefined || (step.kind === 'begin' && hasBegun)) continue;
    hasBegun ||= step.kind === 'begin';
    steps.push(step);
  }
  return steps;
}

function isConcerned({ services }: Snapshot, name: string): boolean {
  const { declaration, automatic } = services[name] ?? {};
  return declaration?.failover.mode === 'automatic' || automatic?.recovery !== undefined;
}

/** A plan that breaks its own proof must not end the controller, and every permit with it. */
function safely(snapshot: Snapshot, service: ServiceAt): AutomaticStep | undefined {
  try {
    return stepOf(snapshot, service);
  } catch (error) {
    return { kind: 'bug', service: service.name, message: messageOf(error) };
  }
}

function stepOf(snapshot: Snapshot, service: ServiceAt): AutomaticStep | undefined {
  const assessed = assess(snapshot, service);
  if (assessed?.plan === undefined) return undefined;
  const { cause, plan, objections } = assessed;
  if (objections.length === 0) {
    return { kind: 'begin', service: service.name, plan, from: cause.leader.name };
  }
  if (!objections.every(({ code }) => ASK_CODES.includes(code))) return undefined;
  const round = nextRound(snapshot, service);
  return round === undefined ? undefined : { kind: 'ask', service: service.name, round };
}
