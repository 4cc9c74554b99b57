// Makes members' specs and intents from declarations, and groups intents into effects by host. Pure.
import { assert } from '@leafward/shared/assert.js';
import type {
  Image,
  MemberIntent,
  MemberSpec,
  Role,
  SecretVariables,
} from '@leafward/shared/gen/domain.js';
import type { MemberDeclaration, ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { Topology } from '@leafward/shared/topology.js';
import { dutyOf } from './duty.js';
import type { Effect } from './effects.js';
import { urlOf, type ServiceAt } from './gather.js';
import { provisionOf } from './provisioning.js';

export function specOf(
  service: ServiceDeclaration,
  member: MemberDeclaration,
  image: Image,
  secretEnvironment: SecretVariables | undefined,
): MemberSpec {
  return {
    kind: service.kind,
    runtime: service.runtime,
    image,
    command: member.command,
    user: member.user,
    environment: member.environment,
    mounts: member.mounts,
    storage: member.storage,
    storageTarget: service.storageTarget,
    networkMode: service.networkMode,
    limits: service.limits,
    ports: member.ports,
    stopGraceMs: service.stopGraceMs,
    backupDirectory: member.backupDirectory,
    engineOptions: member.engineOptions,
    secretEnvironment,
    ...(member.hooks === undefined ? {} : { hooks: member.hooks }),
  };
}

/** What a service's declaration and tree say of a member's intent, beside its spec and the secrets of its copies. */
export function intentOf(
  declaration: ServiceDeclaration,
  topology: Topology,
  member: string,
  spec: MemberSpec,
  offsiteSecrets?: SecretVariables,
): MemberIntent {
  const upstream = topology.upstreams[member];
  return {
    member,
    service: declaration.name,
    spec,
    run: 'running',
    role: roleOf(declaration, topology, member),
    upstream:
      upstream === undefined ? undefined : { member: upstream, url: urlOf(declaration, upstream) },
    term: topology.term,
    // A stack has one main process and no copies: there is nobody whom a permit would protect.
    mirrored:
      declaration.shape === 'tree' &&
      (declaration.members.length > 1 || Object.keys(topology.upstreams).length > 0),
    boot: declaration.boot,
    isolation: declaration.failover.isolation,
    exec: declaration.exec,
    ...restartAfter(declaration, topology, member),
    ...dutyOf(declaration, member, offsiteSecrets),
    ...provisionOf(declaration, member),
  };
}

/** Of the leader only: whoever else dies is started again at once. */
function restartAfter(
  { failover, shape }: ServiceDeclaration,
  topology: Topology,
  member: string,
): Pick<MemberIntent, 'restartAfterMs'> {
  const { mode, restartAfterMs } = failover;
  const isHeld = mode === 'automatic' && shape === 'tree' && topology.leader === member;
  return isHeld && restartAfterMs !== undefined ? { restartAfterMs } : {};
}

/** As the tree has it; who does not lead a stack is a worker. */
export function roleOf(declaration: ServiceDeclaration, topology: Topology, member: string): Role {
  if (topology.leader === member) return 'leader';
  return declaration.shape === 'stack' ? 'worker' : 'mirror';
}

/** Intents of members that were moved in the tree: same spec, role, upstream and term as the tree says. */
export function retreed(service: ServiceAt, topology: Topology, member: string): MemberIntent {
  const old = service.members.find((at) => at.name === member)?.intent;
  assert(old !== undefined, `${member} of ${service.name} has no intent`);
  const { role, upstream, term } = intentOf(service.declaration, topology, member, old.spec);
  return asLed(service.declaration, topology, { ...old, role, upstream, term });
}

/** The same order; if the tree says that it leads, its death is left to the controller where that acts alone. */
export function asLed(
  declaration: ServiceDeclaration,
  topology: Topology,
  { restartAfterMs: _, ...intent }: MemberIntent,
): MemberIntent {
  return { ...intent, ...restartAfter(declaration, topology, intent.member) };
}

export interface HostedIntent {
  readonly host: string;
  readonly intent: MemberIntent;
}

/** One effect a host, hosts in order of their first intent. */
export function setIntents(intents: readonly HostedIntent[]): readonly Effect[] {
  const byHost = new Map<string, MemberIntent[]>();
  for (const { host, intent } of intents) {
    const list = byHost.get(host);
    if (list === undefined) byHost.set(host, [intent]);
    else list.push(intent);
  }
  return [...byHost].map(([host, list]) => ({ kind: 'set-intents', host, intents: list }));
}
