// Whether an order from the controller may be followed at all (I11). Pure: the answer is a reason or nothing.
import { isAbsolute } from 'node:path';
import type { HostIntent } from '@leafward/shared/gen/domain.js';
import { canonicalJson } from '@leafward/shared/spec-digest.js';
import { engineNameOf } from './engines/registry.js';
import type { JournalState } from './journal.js';

export type Judgement =
  | { readonly kind: 'new' }
  | { readonly kind: 'known' }
  | { readonly kind: 'refused'; readonly reason: string };

export interface Knowledge {
  readonly host: string;
  readonly kinds: readonly string[];
  readonly state: JournalState;
}

export function judgeIntent(intent: HostIntent, knowledge: Knowledge): Judgement {
  const reason = reasonAgainst(intent, knowledge);
  if (reason !== undefined) return { kind: 'refused', reason };
  const known = knowledge.state.intent;
  const isKnown = known?.generation === intent.generation && known.epoch === intent.epoch;
  return { kind: isKnown ? 'known' : 'new' };
}

function reasonAgainst(intent: HostIntent, knowledge: Knowledge): string | undefined {
  const known = knowledge.state.intent;
  if (intent.host !== knowledge.host)
    return `it is for the host ${intent.host}, this is ${knowledge.host}`;
  if (known !== undefined && intent.epoch < known.epoch)
    return `its epoch ${intent.epoch} is older than ${known.epoch} (I11)`;
  if (known !== undefined && intent.generation < known.generation)
    return `its generation ${intent.generation} is older than ${known.generation} (I11)`;
  if (known?.generation === intent.generation && !isSame(known, intent))
    return `another order of generation ${known.generation} was accepted before (I11)`;
  return reasonAgainstMembers(intent, knowledge);
}

function reasonAgainstMembers(intent: HostIntent, knowledge: Knowledge): string | undefined {
  const names = new Set<string>();
  for (const one of intent.members) {
    const { member, service, term, spec, run } = one;
    if (names.has(member)) return `it names ${member} twice`;
    names.add(member);
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$/.test(member)) return `${member} is no member's name`;
    const before = knowledge.state.intent?.members.find((other) => other.member === member);
    // A fenced leader is one term ahead of the members beside it until the new term begins for them too.
    const ofService = run === 'retired' ? 0 : (knowledge.state.terms[service] ?? 0);
    const newest = Math.max(ofService, before?.term ?? 0);
    if (term < newest) return `the term of ${member} fell from ${newest} to ${term} (I11)`;
    if (!knowledge.kinds.includes(engineNameOf(one)))
      return `this agent does not know the kind ${spec.kind}; it knows ${knowledge.kinds.join(', ')}`;
    if (!isAbsolute(spec.storage)) return `the storage ${spec.storage} is no absolute path`;
  }
  return undefined;
}

/** A controller that took over sends the same order with its own epoch. */
function isSame(known: HostIntent, intent: HostIntent): boolean {
  return canonicalJson(known.members) === canonicalJson(intent.members);
}
