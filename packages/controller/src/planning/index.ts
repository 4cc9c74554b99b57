// The one door into planning: pure functions from a snapshot to data. Nothing here asks, logs, waits or reads a
// clock; the same input always gives the same answer.
export { looksNeeded } from './adopt.js';
export { advance, type Advance } from './advance.js';
export { basisFactsOf } from './basis.js';
export { decideAutomatic } from './automatic.js';
export { PROBE_PREFIX, requestsOf } from './automatic-probes.js';
export type { AutomaticStep } from './automatic-step.js';
export { completeFleetUpdate } from './fleet-update.js';
export { forecastHost } from './forecast.js';
export { growthOf, sampleOf } from './forecast-samples.js';
export { forecastFindings, servicesOf } from './forecast-words.js';
export { gatherService } from './gather.js';
export { explain } from './explain.js';
export { servicesOfGoal } from './goal-services.js';
export { imagesNeeded, type ImageNeeded } from './images-needed.js';
export { controlOperation, newOperation } from './operation.js';
export { planGoal } from './plan-goal.js';
export { goalWithNotes } from './release-notes.js';
export { objectToPlanning } from './rebuild-words.js';
export { changesSince, isStale } from './stale-words.js';
export { buildStatus } from './status.js';
