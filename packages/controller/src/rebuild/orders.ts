// Orders of hosts while a store is rebuilt: which is the newest that is known of each, and which comes next. Pure. What
// a host has and nothing changes stays its order, so that it is not sent and nothing is restarted.
import type { HostIntent, MemberIntent } from '@leafward/shared/gen/domain.js';
import { secretsOfIntent } from '@leafward/shared/secrets.js';
import { canonicalJson } from '@leafward/shared/spec-digest.js';
import type { Change } from '../changes.js';
import type { HostedIntent } from '../planning/intents.js';
import type { HostMemory } from '../planning/rebuild-evidence.js';
import type { StoredSecret } from '../secrets/seal.js';
import { newestByName } from '../secrets/uses.js';
import type { RebuildState, Snapshot } from '../snapshot.js';

/** By host, of this controller's own time: its memory and its members in the newest report. */
export type Heard = Readonly<Record<string, Omit<HostMemory, 'order'>>>;
/** The same with the newest order of each. */
export type Hosts = Readonly<Record<string, HostMemory>>;

export const isGone = ({ gone }: RebuildState, host: string): boolean =>
  gone.some((one) => one.host === host);

export function withOrders(snapshot: Snapshot, rebuild: RebuildState, heard: Heard): Hosts {
  return Object.fromEntries(
    Object.entries(heard).map(([host, said]) => {
      const known = snapshot.hosts[host]?.intent;
      // What was ordered of a host that was given up was a guess at what it has.
      const isGuess = isGone(rebuild, host) && !rebuild.heard.includes(host);
      return [host, { ...said, order: newerOf(known, said.memory.order, isGuess) }];
    }),
  );
}

function newerOf(
  known: HostIntent | undefined,
  told: HostIntent | undefined,
  isGuess: boolean,
): HostIntent | undefined {
  if (known === undefined || told === undefined) return told ?? known;
  if (known.generation >= told.generation && !isGuess) return known;
  // A fence that was ordered meanwhile holds, whatever the host's own order says of it (I1).
  const members = told.members.map((intent) => {
    const ours = known.members.find(({ member }) => member === intent.member);
    if (ours?.run !== 'retired' || intent.run === 'retired') return intent;
    return { ...intent, run: ours.run, term: Math.max(ours.term, intent.term) };
  });
  return { ...told, members };
}

export interface Wanted {
  readonly intents: readonly HostedIntent[];
  /** Hosts whose order is not taken over. */
  readonly contested: readonly string[];
}

/** One order a host: its own as it is, or the next one when something of it changes. */
export function ordersAfter(
  snapshot: Snapshot,
  rebuild: RebuildState,
  hosts: Hosts,
  { intents, contested }: Wanted,
): readonly Change[] {
  const ordered = new Set(intents.map(({ host }) => host));
  // One that was given up is told something only once its services are known without it.
  const told = Object.keys(hosts).filter((host) => !isGone(rebuild, host));
  return [...new Set([...told, ...ordered])]
    .filter((host) => !contested.includes(host))
    .sort()
    .flatMap((host): readonly Change[] => {
      const own = intents.filter((one) => one.host === host).map(({ intent }) => intent);
      const next = nextOrder(snapshot, host, hosts[host], own);
      return next === undefined ? [] : [{ kind: 'intent', intent: next }];
    });
}

function nextOrder(
  { hosts, epoch }: Snapshot,
  host: string,
  heard: HostMemory | undefined,
  wanted: readonly MemberIntent[],
): HostIntent | undefined {
  const { intent: known, acceptedGeneration = 0 } = hosts[host] ?? {};
  const order = heard?.order ?? known;
  const members = replaced(order?.members ?? [], wanted);
  if (order === undefined && members.length === 0) return undefined;
  const told = heard?.memory.order;
  // What the host itself has, where that is the newest.
  const has = told?.generation === order?.generation ? told : order;
  const isSame = has !== undefined && canonicalJson(members) === canonicalJson(has.members);
  if (isSame) return order === known ? undefined : { ...has, epoch };
  const newest = Math.max(order?.generation ?? 0, known?.generation ?? 0, acceptedGeneration);
  return { host, generation: newest + 1, epoch, members };
}

function replaced(
  members: readonly MemberIntent[],
  wanted: readonly MemberIntent[],
): readonly MemberIntent[] {
  const names = new Set(members.map(({ member }) => member));
  return [
    ...members.map((old) => wanted.find(({ member }) => member === old.member) ?? old),
    ...wanted.filter(({ member }) => !names.has(member)),
  ];
}

/** A version that an order names is never given to another value. */
export function secretNames(
  { now }: Snapshot,
  hosts: Hosts,
  secrets: readonly StoredSecret[],
): readonly Change[] {
  const known = newestByName(secrets);
  const named = new Map<string, number>();
  for (const { order } of Object.values(hosts))
    for (const { name, version } of order === undefined ? [] : secretsOfIntent(order))
      if (version > (known.get(name)?.version ?? 0))
        named.set(name, Math.max(version, named.get(name) ?? 0));
  return [...named].map(([name, version]) => ({
    kind: 'secret',
    secret: { name, version, keyId: '', madeAt: now, madeBy: 'rebuild' },
  }));
}
