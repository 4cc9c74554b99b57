// Every number of a leader's lease in one place: how long it may lead without a word of its controller, who stops it
// then, and when it is certain to be stopped. Both sides count with this; neither has a figure of its own. Pure.
import type { Isolation } from './gen/domain.js';

/** One report may be lost and one be late before a lease runs out. */
const RENEWALS_PER_LEASE = 3;
/** The agent stops its leader when the lease ends; only after this long does the dead-man take it for hung. */
export const AGENT_TURN_MS = 1000;
/** The dead-man looks once a second. Timers stand still in a suspended host, so no single sleep is longer. */
export const DEADMAN_LOOK_MS = 1000;
/** From SIGKILL until the kernel has taken a process of many GB apart. */
export const KILL_MS = 1000;
/**
 * What two clocks may drift apart over a wait: the kernel slews a clock by at most 500 ppm (adjtimex(2)) and crystals
 * are good to 100 ppm, so twice both, times ten for virtual machines.
 */
export const CLOCK_RATE = 0.012;
/** Ticks of /proc/uptime and rounding on both sides, and what a busy loop adds to reading a clock. */
const LEAST_CLOCK_MARGIN_MS = 500;

/** A lease as it is meant: what was not said is filled in by rule. Milliseconds. */
export interface Lease {
  readonly leaseMs: number;
  readonly renewMs: number;
  /** From the end of the lease until the leader is killed. */
  readonly graceMs: number;
  readonly marginMs: number;
}

export function leaseOf(isolation: Isolation, specStopGraceMs: number): Lease {
  const { leaseMs } = isolation;
  const graceMs = isolation.stopGraceMs ?? specStopGraceMs;
  return {
    leaseMs,
    graceMs,
    renewMs: isolation.renewMs ?? Math.floor(leaseMs / RENEWALS_PER_LEASE),
    marginMs: isolation.clockMarginMs ?? leastMarginMs({ leaseMs, graceMs }),
  };
}

/** What clocks may differ by over this lease: a smaller margin would be a guess. */
export function leastMarginMs({ leaseMs, graceMs }: Pick<Lease, 'leaseMs' | 'graceMs'>): number {
  return LEAST_CLOCK_MARGIN_MS + Math.ceil(CLOCK_RATE * (leaseMs + graceMs));
}

/**
 * After the last moment at which a controller can have confirmed its term, a leader with `onIsolation: stop` is stopped
 * for certain this long later, be its agent well, hung or dead. In turn: the lease; the agent's own turn; the
 * dead-man's look; the grace for stopping; the kill; and what the clocks may differ by.
 */
export function untilFenced({ leaseMs, graceMs, marginMs }: Omit<Lease, 'renewMs'>): number {
  return leaseMs + AGENT_TURN_MS + DEADMAN_LOOK_MS + graceMs + KILL_MS + marginMs;
}
