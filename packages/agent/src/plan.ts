// From what a host looks like to what its agent does next: pure, the same input always gives the same plan.
// Promotes never (that is a request) and judges each member by itself.
import type { Observed, ObservedMember } from './plan/observed.js';
import { Draft, type MemberPlan } from './plan/draft.js';
import { isRetiredHere, planRetired } from './plan/retired.js';
import { liftsRetirement } from './plan/filling.js';
import { planReseed, planRunning } from './plan/running.js';
import { planRemoved, planStopped } from './plan/stopped.js';

export type { MemberPlan } from './plan/draft.js';
export type { Observed, ObservedMember } from './plan/observed.js';
export type { Step } from './plan/steps.js';

/** One plan for each member of the intent, in its order. Never throws. */
export function planSteps(observed: Observed): readonly MemberPlan[] {
  return observed.members.map((member) => planMember(member, observed));
}

function planMember(member: ObservedMember, observed: Observed): MemberPlan {
  const draft = new Draft(member, observed);
  // Retirement first: it outranks whatever else is wanted of the storage (I2).
  if (isRetiredHere(member, observed.journal)) {
    if (!liftsRetirement(member, observed.journal) || !planReseed(draft)) planRetired(draft);
  } else if (member.intent.run === 'stopped') planStopped(draft);
  else if (member.intent.run === 'removed') planRemoved(draft);
  else planRunning(draft);
  return draft.finished();
}
