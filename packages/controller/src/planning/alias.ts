// Whom a registry names under a service's alias: clients and mirrors that use it follow that one, whoever leads. A stale
// leader that comes back takes it, and when it is stopped nobody has it until the true one registers anew. Pure.
import type { Evidence } from '@leafward/shared/gen/domain.js';
import type { ServiceProvision } from '@leafward/shared/manifest/types.js';
import type { Snapshot } from '../snapshot.js';
import type { DraftMove } from './draft.js';
import { gatherService, type MemberAt, type ServiceAt } from './gather.js';
import { evidence } from './words.js';

export interface AliasView {
  /** Undefined: nobody can say now. */
  readonly isRight: boolean | undefined;
  /** With its network. */
  readonly name: string;
  readonly message: string;
  readonly evidence: readonly Evidence[];
}

/** A program registers within a second or two of its start; a busy one within this. */
const REGISTERED_MS = 30_000;

/** Undefined: the service is not provisioned by anybody, or its registry is not deployed. */
export function aliasOf(snapshot: Snapshot, service: ServiceAt): AliasView | undefined {
  const { provision } = service.declaration;
  const registry = provision && gatherService(snapshot, provision.service)?.leader;
  if (provision === undefined || registry === undefined) return undefined;
  return viewOf(service, provision, registry);
}

function viewOf(service: ServiceAt, provision: ServiceProvision, registry: MemberAt): AliasView {
  const name = `${provision.alias}.${provision.network}`;
  const entries = registry.isFresh ? registry.fact?.engine.registry?.entries : undefined;
  const { leader } = service;
  const runId = leader?.isFresh === true ? leader.fact?.engine.runId : undefined;
  const unknown = (message: string): AliasView => ({
    isRight: undefined,
    name,
    message,
    evidence: [],
  });
  if (entries === undefined) return unknown(`${registry.name} does not say who is registered`);
  if (leader === undefined || runId === undefined || leader.fact?.engine.active !== true)
    return unknown(`${leader?.name ?? service.name} is not seen to lead`);
  const entry = entries.find((one) => one.name === name);
  const isRight = entry?.online === true && entry.run === runId;
  const holder = entries.find(
    (one) => one.name !== name && one.run !== undefined && one.run === entry?.run,
  );
  const who =
    entry === undefined
      ? 'nobody'
      : !entry.online
        ? 'nobody that is online'
        : isRight
          ? leader.name
          : (holder?.name ?? 'a program that is not known');
  return {
    isRight,
    name,
    message: `${registry.name} names ${who} under ${name}`,
    evidence: [
      evidence(name, who, { wanted: leader.name, seenAt: registry.receivedAt }),
      evidence('run under the alias', entry?.run, { wanted: runId, seenAt: registry.receivedAt }),
    ],
  };
}

/** Empty while it is right, while nobody can say, and while the leader may only not have registered yet. */
export function aliasProblems(snapshot: Snapshot, service: ServiceAt): readonly string[] {
  const alias = aliasOf(snapshot, service);
  if (alias?.isRight !== false || isYoung(snapshot, service)) return [];
  return [
    `${alias.message}, not ${service.topology.leader}, which leads: whoever uses the alias follows another one or nobody; plan a deploy of the manifest, which has it put right`,
  ];
}

export function aliasFacts(snapshot: Snapshot, service: ServiceAt): readonly Evidence[] {
  const alias = aliasOf(snapshot, service);
  if (alias === undefined) return [];
  return alias.evidence.length > 0 ? alias.evidence : [evidence(alias.name, alias.message)];
}

function isYoung({ now }: Snapshot, { leader }: ServiceAt): boolean {
  const startedAt = leader?.fact?.container.startedAt;
  const hostNow = now + (leader?.hostState?.clockOffsetMs ?? 0);
  return startedAt !== undefined && hostNow - startedAt < REGISTERED_MS;
}

/** Where it is wrong now. */
export function aliasRepair(snapshot: Snapshot, service: ServiceAt): readonly DraftMove[] {
  const [problem] = aliasProblems(snapshot, service);
  return problem === undefined
    ? []
    : realiasMove(service, `${aliasOf(snapshot, service)?.message ?? ''}, and not the leader`);
}

/** Looks, and puts it right where it is not. */
export function realiasMove(
  { name, declaration: { provision } }: ServiceAt,
  cause: string,
): readonly DraftMove[] {
  if (provision === undefined) return [];
  const { service: registry, alias, network } = provision;
  return [{ kind: 'realias', service: name, cause, registry, alias, network }];
}
