// What orders say of a service's declaration, where nobody has its manifest any more. Pure. Policies are in no order:
// they are the careful ones until the manifest is deployed again.
import { assert } from '@leafward/shared/assert.js';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';
import { defaultsOf } from '@leafward/shared/manifest/kinds.js';
import type { MemberDeclaration, ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { Topology } from '@leafward/shared/topology.js';
import type { Sighting } from './rebuild-evidence.js';

const MINUTE_MS = 60_000;
const DAY_MS = 1440 * MINUTE_MS;

/** At least one sighting. */
export function declarationFrom(
  name: string,
  topology: Topology,
  sightings: readonly Sighting[],
): ServiceDeclaration {
  const main = sightings.find(({ member }) => member === topology.leader) ?? sightings[0];
  assert(main !== undefined, `${name} was seen nowhere`);
  const { spec, exec, boot, isolation } = main.intent;
  const hasWorkers = sightings.some(({ intent }) => intent.role === 'worker');
  const shape = hasWorkers ? 'stack' : defaultsOf(spec.kind).shape;
  return {
    name,
    kind: spec.kind,
    shape,
    exec,
    runtime: spec.runtime,
    image: spec.image.reference,
    storageTarget: spec.storageTarget,
    networkMode: spec.networkMode,
    limits: spec.limits,
    stopGraceMs: spec.stopGraceMs,
    boot,
    backup: { maxAgeMs: DAY_MS, preferMirror: true },
    update: {
      strategy: shape === 'stack' ? 'whole-stack' : 'leafs-first',
      requireBackup: true,
      readyTimeoutMs: 5 * MINUTE_MS,
      catchUpTimeoutMs: 15 * MINUTE_MS,
      migrationTimeoutMs: 360 * MINUTE_MS,
    },
    failover: { mode: 'manual', isolation },
    after: [],
    members: sightings.map(({ member, host, intent }) => ({
      name: member,
      host,
      upstream: topology.upstreams[member],
      url: urlFrom(sightings, member),
      ...partsOf(intent.spec),
    })),
  };
}

/** Only those who are mirrored are named with their URL. */
const urlFrom = (sightings: readonly Sighting[], name: string): string =>
  sightings.find(({ intent }) => intent.upstream?.member === name)?.intent.upstream?.url ?? '';

function partsOf(spec: MemberSpec): Omit<MemberDeclaration, 'name' | 'host' | 'upstream' | 'url'> {
  const { storage, environment, mounts, ports, command, user, engineOptions } = spec;
  const secrets = Object.entries(spec.secretEnvironment?.variables ?? {});
  return {
    storage,
    environment,
    secretEnvironment:
      secrets.length === 0
        ? undefined
        : Object.fromEntries(secrets.map(([variable, secret]) => [variable, secret.name])),
    mounts,
    ports,
    command,
    user,
    engineOptions,
    backupDirectory: spec.backupDirectory,
  };
}
