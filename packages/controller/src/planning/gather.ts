// Everything known of one service in one place: declaration, tree, intents and facts, joined by member. Pure;
// reads the snapshot, concludes nothing (diagnose.ts does).
import type { Backup, MemberFact, MemberIntent, Operation } from '@leafward/shared/gen/domain.js';
import type { MemberDeclaration, ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import { depthOf, isRetired, type Topology } from '@leafward/shared/topology.js';
import type { HostState, Snapshot } from '../snapshot.js';
import { FRESH_MS } from './thresholds.js';

export interface MemberAt {
  readonly name: string;
  readonly host: string;
  readonly hostState?: HostState | undefined;
  readonly declared?: MemberDeclaration | undefined;
  readonly intent?: MemberIntent | undefined;
  readonly fact?: MemberFact | undefined;
  /** Controller's clock. */
  readonly receivedAt?: number | undefined;
  /** Its agent is connected and the fact is young: it can be relied on. */
  readonly isFresh: boolean;
  readonly isLeader: boolean;
  readonly isRetired: boolean;
  readonly upstream?: string | undefined;
  readonly depth: number;
}

export interface ServiceAt {
  readonly name: string;
  readonly declaration: ServiceDeclaration;
  readonly topology: Topology;
  /** Leader first, then by depth and name, retired ones last. */
  readonly members: readonly MemberAt[];
  readonly leader?: MemberAt | undefined;
}

const gathered = new WeakMap<Snapshot, Map<string, ServiceAt>>();

/** Joined once a snapshot, which never changes: a plan, its basis and its proof all ask. */
export function gatherService(snapshot: Snapshot, name: string): ServiceAt | undefined {
  let known = gathered.get(snapshot);
  if (known === undefined) {
    known = new Map();
    gathered.set(snapshot, known);
  }
  const service = known.get(name) ?? joinService(snapshot, name);
  if (service !== undefined) known.set(name, service);
  return service;
}

function joinService(snapshot: Snapshot, name: string): ServiceAt | undefined {
  const state = Object.hasOwn(snapshot.services, name) ? snapshot.services[name] : undefined;
  if (state === undefined) return undefined;
  const { declaration, topology } = state;
  const names = [
    topology.leader,
    ...Object.keys(topology.upstreams),
    ...topology.retired.map((retirement) => retirement.member),
  ];
  const members = [...new Set(names)]
    .flatMap((member) => gatherMember(snapshot, state, member) ?? [])
    .sort(
      (a, b) =>
        Number(a.isRetired) - Number(b.isRetired) ||
        a.depth - b.depth ||
        a.name.localeCompare(b.name),
    );
  return {
    name,
    declaration,
    topology,
    members,
    leader: members.find((member) => member.isLeader),
  };
}

export const memberOf = (service: ServiceAt, name: string): MemberAt | undefined =>
  service.members.find((member) => member.name === name);

export const livingOf = (service: ServiceAt): readonly MemberAt[] =>
  service.members.filter((member) => !member.isRetired);

function gatherMember(
  snapshot: Snapshot,
  state: { readonly declaration: ServiceDeclaration; readonly topology: Topology },
  name: string,
): MemberAt | undefined {
  const { declaration, topology } = state;
  const declared = declaration.members.find((member) => member.name === name);
  const found = findIntent(snapshot, name, declared?.host);
  const host = found?.host ?? declared?.host;
  if (host === undefined) return undefined;
  const hostState = snapshot.hosts[host];
  const received = hostState?.members[name];
  const retired = isRetired(topology, name);
  return {
    name,
    host,
    hostState,
    declared,
    intent: found?.intent,
    fact: received?.value,
    receivedAt: received?.receivedAt,
    isFresh:
      hostState?.connected === true &&
      received !== undefined &&
      // One of the future is of before the clock was set back: it would pass for newer than whatever comes next.
      received.receivedAt <= snapshot.now &&
      snapshot.now - received.receivedAt <= FRESH_MS,
    isLeader: topology.leader === name,
    isRetired: retired,
    upstream: topology.upstreams[name],
    depth: retired ? 0 : depthOf(topology, name),
  };
}

/** Looks at the declared host first; elsewhere only for members that are declared no more. */
function findIntent(
  snapshot: Snapshot,
  member: string,
  hint: string | undefined,
): { readonly host: string; readonly intent: MemberIntent } | undefined {
  const on = (host: string): MemberIntent | undefined =>
    snapshot.hosts[host]?.intent?.members.find((intent) => intent.member === member);
  const hinted = hint === undefined ? undefined : on(hint);
  if (hint !== undefined) return hinted && { host: hint, intent: hinted };
  for (const host of Object.keys(snapshot.hosts)) {
    const intent = on(host);
    if (intent !== undefined) return { host, intent };
  }
  return undefined;
}

/** What runs, or ran last; before it ever ran, what its image is. */
export const versionOf = ({ fact, intent }: MemberAt): string | undefined =>
  fact?.engine.version ?? intent?.spec.image.version;

/** Nobody has ordered it to stop; before its first order nobody has said anything. */
export const mayRun = ({ intent }: MemberAt): boolean =>
  intent === undefined || intent.run === 'running';

/** Where leaders are found by their mirrors, by member; from the declaration as it is now. */
export const urlOf = (declaration: ServiceDeclaration, member: string): string =>
  declaration.members.find((declared) => declared.name === member)?.url ?? '';

/** Indexed once a list, so that planning many services stays linear. */
function indexBackups(keyOf: (backup: Backup) => string) {
  const indexes = new WeakMap<readonly Backup[], ReadonlyMap<string, readonly Backup[]>>();
  return (backups: readonly Backup[], key: string): readonly Backup[] => {
    let index = indexes.get(backups);
    if (index === undefined) {
      const made = new Map<string, Backup[]>();
      for (const backup of backups) {
        const list = made.get(keyOf(backup));
        if (list === undefined) made.set(keyOf(backup), [backup]);
        else list.push(backup);
      }
      index = made;
      indexes.set(backups, index);
    }
    return index.get(key) ?? [];
  };
}

const byService = indexBackups(({ service }) => service);
const byHost = indexBackups(({ host }) => host);

/** Backups of a service, newest first. */
export const backupsOf = (
  { backups }: Pick<Snapshot, 'backups'>,
  service: string,
): readonly Backup[] => byService(backups, service);

/** Those of that name: on every host that has it, or on the one that is meant. */
export const backupsNamed = (
  snapshot: Snapshot,
  service: string,
  { backup: name, host }: { readonly backup: string; readonly host?: string | undefined },
): readonly Backup[] =>
  backupsOf(snapshot, service).filter(
    (one) => one.name === name && (host === undefined || one.host === host),
  );

/** Backups that lie on a host, newest first. */
export const backupsOn = (
  { backups }: Pick<Snapshot, 'backups'>,
  host: string,
): readonly Backup[] => byHost(backups, host);

export const operationsOn = (snapshot: Snapshot, service: string): readonly Operation[] =>
  snapshot.operations.filter((operation) => operation.services.includes(service));
