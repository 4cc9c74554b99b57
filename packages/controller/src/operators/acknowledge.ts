// An operator's word that a failover which nobody ordered was looked at. Until then no other one begins by itself.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { AcknowledgeFailoverResponse } from '@leafward/shared/gen/domain.js';
import type { Fleet } from '../fleet.js';

/** @throws LeafwardError `not-found` for a service that is not there, `refused` when there is nothing to acknowledge. */
export function acknowledgeFailover(
  fleet: Fleet,
  service: string,
): Promise<AcknowledgeFailoverResponse> {
  return fleet.transact((snapshot) => {
    const what = `acknowledge the failover of ${service}`;
    const known = Object.keys(snapshot.services).sort();
    if (!known.includes(service))
      throw new LeafwardError(
        'not-found',
        `${what}: there is no such service; ${known.length === 0 ? 'nothing is deployed yet' : `there are: ${known.join(', ')}`}`,
      );
    const { recovery, ...rest } = snapshot.services[service]?.automatic ?? {};
    if (recovery === undefined)
      throw new LeafwardError(
        'refused',
        `${what}: none was begun by itself that nobody has acknowledged`,
      );
    const { operationId, at: beganAt, from, to } = recovery;
    const memory = { ...rest.memory, healthySinceMs: undefined };
    return {
      changes: [{ kind: 'automatic', service, state: { ...rest, memory } }],
      value: { service, operationId, beganAt, from, to },
    };
  });
}
