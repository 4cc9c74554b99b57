// How the tree changes when a member comes back empty, and when a service goes back to a backup. Pure.
import { assert } from '@leafward/shared/assert.js';
import { failOver, isRetired, subtreeOf, type Topology } from '@leafward/shared/topology.js';

/** The member, retired or a mirror, mirrors this upstream. What mirrors it goes on doing so. */
export function reseeded(topology: Topology, member: string, upstream: string): Topology {
  const { service, leader } = topology;
  assert(member !== leader, `${member} leads ${service} and cannot be emptied`);
  assert(upstream !== member, `${member} cannot mirror itself`);
  assert(
    upstream === leader || (upstream in topology.upstreams && !isRetired(topology, upstream)),
    `${upstream} is not a living member of ${service}`,
  );
  assert(!subtreeOf(topology, member).includes(upstream), `${upstream} mirrors ${member} itself`);
  return {
    ...topology,
    upstreams: { ...topology.upstreams, [member]: upstream },
    retired: topology.retired.filter((retirement) => retirement.member !== member),
  };
}

/** This member leads in the new term; the others keep their place below it as far as they can. Nobody retires. */
export function restoredTo(topology: Topology, member: string, term: number): Topology {
  const { leader, retired } = topology;
  assert(term === topology.term + 1, `term ${term} must follow ${topology.term}`);
  if (member === leader) return { ...topology, term };
  const moved = failOver(topology, member, { member: leader, term, at: 0, reason: '' });
  return { ...moved, retired, upstreams: { ...moved.upstreams, [leader]: member } };
}
