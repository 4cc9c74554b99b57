// What a deploy leaves as it is: what must never change under a member, and policies, which no container knows. Pure.
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { MemberDeclaration, ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { Snapshot } from '../snapshot.js';
import { expectedMs, type DraftMove } from './draft.js';
import type { MemberAt, ServiceAt } from './gather.js';
import type { Objection } from './words.js';

/** It would begin anew without its data. */
export function objectToMovedMember(
  member: MemberAt,
  intent: MemberIntent,
  declared: MemberDeclaration,
  declaration: ServiceDeclaration,
): readonly Objection[] {
  const never: readonly (readonly [string, string, string])[] = [
    ['host', member.host, declared.host],
    ['storage', intent.spec.storage, declared.storage],
    ['kind', intent.spec.kind, declaration.kind],
    ['runtime', intent.spec.runtime, declaration.runtime],
  ];
  return never
    .filter(([, before, after]) => before !== after)
    .map(([what, before, after]) => ({
      code: `${what}-changes`,
      subject: member.name,
      message: `${member.name} would change its ${what} from ${before} to ${after}: it would begin anew without its data`,
      unblock: `write ${before} again, or add a member under a new name and remove this one`,
      evidence: [],
    }));
}

/** No container knows a policy, but an operation must carry it: the leader's host is told again what it knows. */
export function policyMove(
  snapshot: Snapshot,
  service: ServiceAt,
  policies: readonly { readonly path: string; readonly before: string; readonly after: string }[],
): readonly DraftMove[] {
  const { leader } = service;
  if (leader?.intent === undefined) return [];
  const said = policies.map((p) => `${p.path} ${p.before || 'none'} → ${p.after || 'none'}`);
  return [
    {
      kind: 'place',
      service: service.name,
      cause: `goes on as it is; policies change: ${said.join(', ')}`,
      expectedMs: expectedMs(snapshot, service.name, 'place'),
      host: leader.host,
      intent: leader.intent,
    },
  ];
}
