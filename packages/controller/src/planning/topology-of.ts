// The tree that a service begins with, by its declaration. Pure.
import type { ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { Topology } from '@leafward/shared/topology.js';

export function firstTopology(declaration: ServiceDeclaration): Topology {
  const upstreams: Record<string, string> = {};
  for (const { name, upstream } of declaration.members)
    if (upstream !== undefined) upstreams[name] = upstream;
  const leader = declaration.members.find((member) => member.upstream === undefined);
  return { service: declaration.name, term: 1, leader: leader?.name ?? '', upstreams, retired: [] };
}
