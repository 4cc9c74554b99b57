// Simulated machines: a clock that drifts and jumps, power, boots. What runs on them is other files' business.
import type { Random } from './random.js';

export interface Host {
  readonly name: string;
  on: boolean;
  boots: number;
  /** Told apart from the hosts of other simulations. */
  readonly serial: number;
  bootedAt: number;
  /** Seconds of this host for one true second. */
  rate: number;
  /** Wall clock minus true time at time 0, milliseconds. */
  wallOffsetMs: number;
}

/** True time 0 of every simulation on an honest wall clock. */
export const EPOCH_MS = Date.UTC(2026, 0, 5);
/** Two quartz clocks of one rack: 50 ppm each is bad, this is ten times worse. */
const WORST_RATE = 5e-4;
const WORST_OFFSET_MS = 2000;

export function createHost(name: string, random: Random): Host {
  return {
    name,
    on: true,
    boots: 1,
    serial: random.below(1e9),
    bootedAt: -random.between(1e5, 1e7),
    rate: 1 + random.between(-WORST_RATE, WORST_RATE),
    wallOffsetMs: random.between(-WORST_OFFSET_MS, WORST_OFFSET_MS),
  };
}

export const wallOf = (host: Host, now: number): number =>
  EPOCH_MS + host.wallOffsetMs + now * host.rate;
/** Since its boot, as /proc/uptime counts it. */
export const uptimeOf = (host: Host, now: number): number => (now - host.bootedAt) * host.rate;
export const bootIdOf = (host: Host): string => `${host.name}-${host.serial}-boot-${host.boots}`;
