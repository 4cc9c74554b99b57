// A plan as text: what the CLI prints, the audit keeps and the goldens compare. Must never show the value of an
// environment variable (I14).
import type { Plan } from './gen/domain.js';

export function renderPlan(plan: Plan): string {
  return plan.id;
}
