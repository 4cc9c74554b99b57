// Several services of stand-in cells in one manifest, each with its own members and policy.
import { cortexManifest, type CortexMember } from './cortex-manifest.js';

export interface ServicesManifestOptions {
  readonly dir: string;
  readonly image: string;
  readonly services: readonly {
    readonly name: string;
    readonly members: readonly CortexMember[];
    /** Its policy, as YAML. */
    readonly failover: string;
  }[];
}

export function servicesManifest({ dir, image, services }: ServicesManifestOptions): string {
  const hosts = new Set(services.flatMap(({ members }) => members.map(({ host }) => host)));
  const bodies = services.map(({ name, members, failover }) =>
    cortexManifest({ dir, image, members, failover })
      .split(/^services:\n/m)[1]
      ?.replace(/^ {2}cortex:$/m, `  ${name}:`),
  );
  const named = [...hosts].sort().map((host) => `  ${host}: { address: 127.0.0.1 }\n`);
  return `fleet: demo\nhosts:\n${named.join('')}services:\n${bodies.join('')}`;
}
