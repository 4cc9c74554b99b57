// How soon a host is looked at again: the sooner the more may happen. Pure.
import type { ObservedMember } from './plan.js';

/** How often depends on how much may happen. */
export const LOOK_EVERY_MS = 5000;
export const LOOK_EVERY_BUSY_MS = 500;
const LOOK_EVERY_STARTING_MS = 200;
/** Most are up by then; what takes longer migrates. */
const STARTING_MS = 30_000;
const LOOK_EVERY_MIGRATING_MS = 1000;
/** A member that does not answer for longer than this is looked at as seldom as any. */
const MIGRATING_MS = 60 * 60_000;

/** A member that comes up is looked at more often. */
export function lookAgainMs({ container, engine }: ObservedMember, now: number): number {
  const isUp = engine.answered && (engine.ready === true || engine.active === true);
  if (container.state !== 'running' || isUp) return LOOK_EVERY_MS;
  // A clock that was set back makes starts of the future.
  const ageMs = Math.abs(now - (container.startedAt ?? 0));
  if (ageMs < STARTING_MS) return LOOK_EVERY_STARTING_MS;
  return ageMs < MIGRATING_MS ? LOOK_EVERY_MIGRATING_MS : LOOK_EVERY_MS;
}

/** A look costs next to nothing, but where each one runs programs in containers: those take a quarter of the time. */
const RESTS_PER_LOOK = 3;

/** The least rest after a look that took so long, milliseconds. */
export const restAfter = (tookMs: number): number => RESTS_PER_LOOK * tookMs;
