// The controller's word that a leader's term is still the current one. Pure. Given only for what the committed
// intent and the topology agree on, so that a fenced leader gets no more from the moment its fence is committed.
import type { HostIntent, Permit } from '@leafward/shared/gen/domain.js';
import type { ServiceState } from './snapshot.js';

/** Permits for the leaders of mirrored services that this intent wants to run. */
export function permitsFor(
  hostIntent: HostIntent | undefined,
  services: Readonly<Record<string, ServiceState>>,
  epoch?: number,
): readonly Permit[] {
  return (hostIntent?.members ?? []).flatMap((intent): readonly Permit[] => {
    const topology = services[intent.service]?.topology;
    const leads =
      intent.run === 'running' &&
      intent.role === 'leader' &&
      intent.mirrored &&
      topology?.leader === intent.member &&
      topology.term === intent.term;
    if (!leads) return [];
    const { service, member, term } = intent;
    return [{ service, member, term, validMs: intent.isolation.leaseMs, epoch }];
  });
}
