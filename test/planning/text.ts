// Plans as goldens compare them: without what differs from run to run or is the same everywhere.
import { renderPlan } from '@leafward/shared/render-plan.js';
import type { Goal } from '@leafward/shared/gen/domain.js';
import type { World } from './model.js';

/** The plan without its id and its passed gates. */
export const shown = (world: World, goal: Goal): string =>
  renderPlan(world.plan(goal))
    .replace(/^plan \S+/, 'plan ID')
    .replace(/\n {2}ok .*/g, '')
    // What is known of releases is a table of its own, with its own tests.
    .replace(/\n {2}the schema .*/g, '')
    .replace(/\n\ngates(?=\n\n|$)/, '');

/** Takes the indentation of the code away. */
export const golden = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.replace(/^ {6}/, ''))
    .join('\n')
    .trim();
