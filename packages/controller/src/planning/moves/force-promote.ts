// force-promote: the new term begins. Tree, terms and intents are committed together with the order to promote;
// the other members learn the new term now and their new upstream only in repoint, so that nobody is restarted
// while the service has no leader. Done when the chosen one is seen to lead and to take writes.
import { assert } from '@leafward/shared/assert.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { failOver, type Topology } from '@leafward/shared/topology.js';
import type { Effect } from '../effects.js';
import { memberOf, urlOf, type ServiceAt } from '../gather.js';
import { asLed, setIntents, type HostedIntent } from '../intents.js';
import { fencedAt } from './choose.js';
import { fenceAgain } from './fence.js';
import { giveOrder, watchOrder } from './forced-order.js';
import { serviceAt, type MoveContext, type MoveOf, type MoveRow } from './move.js';

type Context = MoveContext<MoveOf<'force-promote'>>;

export const forcePromote: MoveRow<MoveOf<'force-promote'>> = {
  begin: (context) => {
    const { move, operation } = context;
    const service = serviceAt(context);
    const chosen = operation.chosen;
    const target = service === undefined ? undefined : memberOf(service, chosen ?? '');
    if (service === undefined || target === undefined || chosen === undefined)
      return {
        kind: 'failed',
        reason: 'nobody was chosen, or it is not known any more; plan again',
      };
    assert(fencedAt(operation) !== undefined, `${operation.id} promotes without a fence (I1)`);
    const unproven = fenceAgain(context, service);
    if (unproven !== undefined) return unproven;
    return {
      kind: 'go',
      phase: 1,
      event: `promotes ${chosen} by force, term ${move.term}`,
      effects: [
        ...beginTerm(context, service, chosen),
        giveOrder(context, { target, term: move.term, firstPhase: 1 }),
      ],
    };
  },
  check: (context) => {
    const { operation, move } = context;
    const service = serviceAt(context);
    const target = service === undefined ? undefined : memberOf(service, operation.chosen ?? '');
    if (service === undefined || target === undefined)
      return { kind: 'failed', reason: 'the chosen one is not known any more; plan again' };
    return (
      watchOrder(context, service, { target, term: move.term, firstPhase: 1 }) ?? {
        kind: 'done',
        note: `${target.name} leads ${move.service} in term ${move.term} and takes writes`,
      }
    );
  },
};

/** Once an operation: a second attempt finds the term begun and only orders again. */
function beginTerm(context: Context, service: ServiceAt, chosen: string): readonly Effect[] {
  const { move, snapshot, operation } = context;
  const old = service.topology;
  if (old.term >= move.term) {
    assert(old.leader === chosen, `${old.leader} leads in term ${old.term} already (I1)`);
    return [];
  }
  const topology = failOver(old, chosen, {
    member: old.leader,
    term: move.term,
    at: snapshot.now,
    reason: `failed over to ${chosen} by ${operation.id}`,
  });
  const intents = service.members.flatMap((member): readonly HostedIntent[] =>
    member.intent === undefined
      ? []
      : [{ host: member.host, intent: inNewTerm(service, topology, member.name, member.intent) }],
  );
  return [{ kind: 'set-topology', topology }, ...setIntents(intents)];
}

function inNewTerm(
  service: ServiceAt,
  topology: Topology,
  member: string,
  old: MemberIntent,
): MemberIntent {
  const { leader, term } = topology;
  const asNow = (intent: MemberIntent): MemberIntent =>
    asLed(service.declaration, topology, intent);
  if (member === leader) return asNow({ ...old, role: 'leader', upstream: undefined, term });
  const isRetired = topology.retired.some((retirement) => retirement.member === member);
  if (!isRetired) return asNow({ ...old, term });
  // Retired ones are told who leads, so that even a start by hand would only mirror.
  const upstream = { member: leader, url: urlOf(service.declaration, leader) };
  const newTerm = Math.max(term, old.term);
  return asNow({ ...old, run: 'retired', role: 'mirror', upstream, term: newTerm });
}
