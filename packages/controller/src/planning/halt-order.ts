// In which order a whole service stops. Pure.
import { leafsFirst } from '@leafward/shared/topology.js';
import { memberOf, type ServiceAt } from './gather.js';
import { isStack, workersOf } from './stack.js';

/** Whoever runs and is in sight: leafs first, the leader last; workers in their order, then the main process. */
export function haltOrder(service: ServiceAt): readonly string[] {
  const names = isStack(service)
    ? [...workersOf(service).map((worker) => worker.name), service.topology.leader]
    : leafsFirst(service.topology);
  return names.filter((name) => {
    const member = memberOf(service, name);
    return member?.intent?.run === 'running' && member.isFresh;
  });
}
