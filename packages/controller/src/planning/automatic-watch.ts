// What a failover that acts alone must remember between two passes: that a leader has led, that it migrates, and whether
// all has been well since the last one. Pure; says what changes.
import type { AutomaticMemory, AutomaticState, Recovery, Snapshot } from '../snapshot.js';
import type { AutomaticStep } from './automatic-step.js';
import { isAutomatic } from './automatic-cause.js';
import { operationsOn, type ServiceAt } from './gather.js';
import { unhealthyOf } from './diagnose.js';
import { PROVEN_WELL_MS } from './thresholds.js';
import { renderDuration } from './words.js';

/** Nothing, or one step that says all that is to be remembered from now on. */
export function watched(snapshot: Snapshot, service: ServiceAt): readonly AutomaticStep[] {
  const before = snapshot.services[service.name]?.automatic ?? {};
  if (!isAutomatic(service) && before.recovery === undefined) return [];
  const isWell = isWellSince(snapshot, service, before);
  const recovery = isWell === 'proven' ? undefined : recoveryOf(service, before.recovery);
  const ledTerm = isSeenLeading(service) ? service.topology.term : before.ledTerm;
  const memory: AutomaticMemory = {
    healthySinceMs: recovery === undefined || isWell === 'proven' ? undefined : isWell,
    isMigrating: isMigrating(service, before.memory),
    round: before.memory?.round,
  };
  const isDurable =
    ledTerm !== before.ledTerm ||
    recovery?.to !== before.recovery?.to ||
    recovery?.operationId !== before.recovery?.operationId;
  const isRemembered =
    memory.healthySinceMs === before.memory?.healthySinceMs &&
    memory.isMigrating === before.memory?.isMigrating;
  if (!isDurable && isRemembered) return [];
  const event =
    isWell === 'proven'
      ? `${service.name} has been well for ${renderDuration(PROVEN_WELL_MS)} since ${before.recovery?.operationId ?? ''}: it may be failed over by itself again`
      : undefined;
  const state: AutomaticState = { ledTerm, recovery, memory };
  return [{ kind: 'remember', service: service.name, state, isDurable, event }];
}

/** Since when all is well, by the monotonic clock; proven: for long enough. */
function isWellSince(
  snapshot: Snapshot,
  service: ServiceAt,
  { recovery, memory }: AutomaticState,
): number | 'proven' | undefined {
  const { monotonicMs } = snapshot;
  if (recovery === undefined || monotonicMs === undefined) return undefined;
  const isBusy = operationsOn(snapshot, service.name).length > 0;
  if (isBusy || unhealthyOf(snapshot, service).length > 0) return undefined;
  const sinceMs = memory?.healthySinceMs ?? monotonicMs;
  return monotonicMs - sinceMs >= PROVEN_WELL_MS ? 'proven' : sinceMs;
}

/** Whom it chose is known when the term has begun. */
function recoveryOf({ topology }: ServiceAt, recovery: Recovery | undefined): Recovery | undefined {
  if (recovery === undefined || recovery.to !== undefined || topology.term !== recovery.term)
    return recovery;
  return { ...recovery, to: topology.leader };
}

const isSeenLeading = ({ leader, topology }: ServiceAt): boolean =>
  leader?.isFresh === true &&
  leader.fact?.container.state === 'running' &&
  leader.fact.engine.active === true &&
  leader.fact.term === topology.term;

/** As it was when it was last seen to run: a death leaves no trace of a migration. */
function isMigrating(
  { leader }: ServiceAt,
  memory: AutomaticMemory | undefined,
): boolean | undefined {
  if (leader?.isFresh !== true || leader.fact?.container.state !== 'running')
    return memory?.isMigrating;
  const { migrating, answered } = leader.fact.engine;
  if (migrating !== undefined) return true;
  return answered ? undefined : memory?.isMigrating;
}
