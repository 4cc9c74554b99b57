// Has the controller make a plan. Changes nothing but the list of plans.
import type { Goal, Plan } from '@leafward/shared/gen/domain.js';
import type { Run } from '../run.js';

/** An image is resolved by an agent at a registry while the plan is made. */
const PLAN_DEADLINE_MS = 120_000;

export async function makePlan(run: Run, goal: Goal): Promise<Plan> {
  const client = await run.client();
  const { plan } = await client.makePlan({ goal }, { ...run.call, deadlineMs: PLAN_DEADLINE_MS });
  return plan;
}
