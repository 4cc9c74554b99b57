// What both ways of handing leadership over share: whether it happened, what follows in tree and intents, and when
// everybody has settled in the new tree. Pure.
import { handOver as handOverTree } from '@leafward/shared/topology.js';
import { livingOf, memberOf, type MemberAt, type ServiceAt } from '../gather.js';
import { retreed, setIntents } from '../intents.js';
import type { MoveContext, MoveOf, Step } from './move.js';
import { settle, settledNote } from './settle.js';

type Context = MoveContext<MoveOf<'hand-over'>>;

/** Both say so themselves: an order whose answer came too late, or never, was carried out. */
export function isHandedOver(service: ServiceAt, move: MoveOf<'hand-over'>): boolean {
  const from = memberOf(service, move.from);
  const to = memberOf(service, move.to);
  return (
    from?.isFresh === true &&
    to?.isFresh === true &&
    isActive(to) &&
    from.fact?.engine.active === false
  );
}

export const isActive = (member: MemberAt): boolean =>
  member.fact?.container.state === 'running' && member.fact.engine.active === true;

export function happened(context: Context, service: ServiceAt, phase: number): Step {
  const { move } = context;
  const topology = handOverTree(service.topology, move.to, move.term);
  return {
    kind: 'go',
    phase,
    event: `${move.to} leads ${move.service} in term ${move.term}; ${move.from} mirrors it`,
    effects: [
      { kind: 'set-topology', topology },
      ...setIntents(
        livingOf(service).flatMap((member) =>
          member.intent === undefined
            ? []
            : [{ host: member.host, intent: retreed(service, topology, member.name) }],
        ),
      ),
    ],
  };
}

/** New leader first, then the old one, then the rest; those that were out of sight before are not waited for. */
export function settled(context: Context, service: ServiceAt): Step {
  const { move } = context;
  const first = [move.to, move.from];
  const others = livingOf(service)
    .filter((member) => !first.includes(member.name) && member.hostState?.connected === true)
    .map((member) => member.name);
  for (const member of [...first, ...others]) {
    const role = member === service.topology.leader ? 'leader' : 'mirror';
    const step = settle(context, service, { member, role });
    if (step !== undefined) return step;
  }
  return { kind: 'done', note: `${settledNote(service, move.to)}; ${move.from} mirrors it` };
}
