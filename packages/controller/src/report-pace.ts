// How often an agent reports. Reads the fleet, changes nothing.
import { leaseOf } from '@leafward/shared/lease.js';
import type { Fleet } from './fleet.js';

/** While an operation touches a host its agent reports this often, so that moves do not wait for a timer. */
const BUSY_REPORT_MS = 250;

/** How often this host's agent reports: often while an operation touches it, and so often that leases are renewed. */
export function paceFor(fleet: Fleet, host: string, idleMs: number): number {
  const services = fleet.services();
  const isBusy = fleet
    .operations()
    .some(
      (operation) =>
        operation.state === 'running' &&
        operation.services.some((service) =>
          services[service]?.declaration.members.some((member) => member.host === host),
        ),
    );
  const leases = (fleet.intent(host)?.members ?? [])
    .filter((intent) => intent.role === 'leader' && intent.run === 'running' && intent.mirrored)
    .map(({ isolation, spec }) => leaseOf(isolation, spec.stopGraceMs).renewMs);
  return Math.min(idleMs, ...leases, ...(isBusy ? [BUSY_REPORT_MS] : []));
}
