// What hosts remember of one service, joined member by member, for a controller that has lost its store. Pure;
// says what was seen, rebuild.ts concludes.
import type { HostIntent, MemberFact, MemberIntent, Memory } from '@leafward/shared/gen/domain.js';
import type { ServiceDeclaration } from '@leafward/shared/manifest/types.js';

/** What a host said: its memory, and its members as they were in the same report. */
export interface HostMemory {
  readonly memory: Memory;
  readonly members: readonly MemberFact[];
  /** The newest order that is known of it, its own or one that was committed since. */
  readonly order?: HostIntent | undefined;
}

export interface ServiceEvidence {
  readonly service: string;
  /** As the manifest says, where there is one. */
  readonly declared?: ServiceDeclaration | undefined;
  /** Hosts that were heard, by name. */
  readonly hosts: Readonly<Record<string, HostMemory>>;
  /** Hosts that could hold a member of it, were not heard and were not given up. */
  readonly missing: readonly string[];
  /** Hosts that the operator has given up. */
  readonly gone: readonly string[];
  /** False: nobody has said which hosts there are. */
  readonly hostsKnown: boolean;
  readonly now: number;
}

export interface SeenRetirement {
  readonly term: number;
  readonly at?: number | undefined;
  readonly reason: string;
}

/** One member's order, with what its host and its storage say of it. */
export interface Sighting {
  readonly member: string;
  readonly host: string;
  readonly intent: MemberIntent;
  readonly fact?: MemberFact | undefined;
  /** Newest term in which its agent began to promote it. */
  readonly promotedAt: number;
  /** By order, by its agent's memory or by the mark in its storage: each alone is enough (I2). */
  readonly retirement?: SeenRetirement | undefined;
}

/** In order of host and member. Removed ones are no members any more. */
export function sightingsOf({
  service,
  hosts,
}: Pick<ServiceEvidence, 'service' | 'hosts'>): readonly Sighting[] {
  return Object.keys(hosts)
    .sort()
    .flatMap((host) => {
      const heard = hosts[host];
      return (heard?.order?.members ?? [])
        .filter((intent) => intent.service === service && intent.run !== 'removed')
        .map((intent) => sightingOf(host, heard as HostMemory, intent));
    });
}

export function sightingOf(host: string, heard: HostMemory, intent: MemberIntent): Sighting {
  const fact = heard.members.find(({ member }) => member === intent.member);
  return {
    member: intent.member,
    host,
    intent,
    fact,
    promotedAt: heard.memory.promotions[intent.member] ?? 0,
    retirement: retirementOf(heard, intent, fact),
  };
}

function retirementOf(
  { memory }: HostMemory,
  intent: MemberIntent,
  fact: MemberFact | undefined,
): SeenRetirement | undefined {
  const remembered = memory.storages.find(
    ({ storage, retirement }) => storage === intent.spec.storage && retirement !== undefined,
  )?.retirement;
  const marked = fact?.storage.retiredAtTerm;
  const isOrdered = intent.run === 'retired';
  // An order to begin anew is the one thing that ends a retirement, and it is newer.
  if (!isOrdered && intent.reseed !== undefined) return undefined;
  if (remembered !== undefined) return remembered;
  if (marked !== undefined) return { term: marked, reason: 'its storage says so' };
  return isOrdered
    ? { term: intent.term, reason: 'its agent has the order to retire it' }
    : undefined;
}

export const isRunning = ({ fact }: Sighting): boolean => fact?.container.state === 'running';

export const leadsNow = (sighting: Sighting): boolean =>
  isRunning(sighting) && sighting.fact?.engine.active === true;

/** It answers, and says itself whom it follows. */
export const followsNow = ({ fact }: Sighting): boolean =>
  fact?.engine.answered === true &&
  fact.engine.active === false &&
  fact.engine.upstreamUrl !== undefined;
