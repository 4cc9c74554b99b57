// Which ports of a member the host publishes, and on which of its addresses. Pure.
import type { MemberSpec } from '@leafward/shared/gen/domain.js';

export interface PublishedPort {
  /** As the manifest calls it. */
  readonly name: string;
  readonly hostPort: number;
  readonly containerPort: number;
  /** Undefined: every address of the host. */
  readonly address: string | undefined;
}

/**
 * The ports of the manifest are the host's. Engine option `containerPorts` ("client=8008 metrics=9000") says which
 * ones they are inside, for an image that does not ask; `publishAddress` keeps them on one address of the host.
 */
export function publishedPorts(spec: MemberSpec): readonly PublishedPort[] {
  // On the host's own network, or without one, nothing is published.
  if (/^(host|none|container:.*)$/.test(spec.networkMode)) return [];
  const inside = insidePorts(spec.engineOptions['containerPorts'] ?? '');
  return Object.entries(spec.ports).map(([name, hostPort]) => ({
    name,
    hostPort,
    containerPort: inside.get(name) ?? hostPort,
    address: spec.engineOptions['publishAddress'],
  }));
}

function insidePorts(text: string): ReadonlyMap<string, number> {
  const pairs = [...text.matchAll(/(\S+)=(\d{1,5})(?=\s|$)/g)];
  return new Map(pairs.map(([, name = '', port]) => [name, Number(port)]));
}
