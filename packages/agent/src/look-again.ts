// How soon a host is looked at again: the sooner the more may happen. Pure.
import type { Observed, ObservedMember } from './plan.js';

/** How often depends on how much may happen. */
export const LOOK_EVERY_MS = 5000;
const LOOK_EVERY_BUSY_MS = 500;
const LOOK_EVERY_STARTING_MS = 200;
/** Most are up by then; what takes longer migrates. */
const STARTING_MS = 30_000;
const LOOK_EVERY_MIGRATING_MS = 1000;
/** A member that does not answer for longer than this is looked at as seldom as any. */
const MIGRATING_MS = 60 * 60_000;

/** A look costs next to nothing, but where each one runs programs in containers: those take a quarter of the time. */
const RESTS_PER_LOOK = 3;

/** What is waited for is acted upon when it is over, not at the next round. */
export function nextLookMs(
  { members, now }: Observed,
  last: { readonly isBusy: boolean; readonly tookMs: number },
): number {
  const due = members.flatMap(({ backoff, intent, permit, ended }) => [
    backoff.leftMs,
    ended?.heldMs ?? 0,
    intent.isolation.onIsolation === 'stop' ? intent.isolation.leaseMs - permit.ageMs : 0,
  ]);
  const wanted = Math.min(
    last.isBusy ? LOOK_EVERY_BUSY_MS : LOOK_EVERY_MS,
    ...members.map((member) => lookAgainMs(member, now)),
  );
  const rested = Math.max(wanted, RESTS_PER_LOOK * last.tookMs);
  return Math.min(rested, LOOK_EVERY_MS, ...due.filter((leftMs) => leftMs > 0));
}

/** A member that comes up is looked at more often. */
function lookAgainMs({ container, engine }: ObservedMember, now: number): number {
  const isUp = engine.answered && (engine.ready === true || engine.active === true);
  if (container.state !== 'running' || isUp) return LOOK_EVERY_MS;
  // A clock that was set back makes starts of the future.
  const ageMs = Math.abs(now - (container.startedAt ?? 0));
  if (ageMs < STARTING_MS) return LOOK_EVERY_STARTING_MS;
  return ageMs < MIGRATING_MS ? LOOK_EVERY_MIGRATING_MS : LOOK_EVERY_MS;
}
