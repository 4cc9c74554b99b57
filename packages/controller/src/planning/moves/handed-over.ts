// What both ways of handing leadership over share: whether it happened, what follows in tree and intents, and when
// everybody has settled in the new tree. Pure.
import { handOver as handOverTree, subtreeOf } from '@leafward/shared/topology.js';
import { livingOf, memberOf, urlOf, type MemberAt, type ServiceAt } from '../gather.js';
import { retreed, setIntents } from '../intents.js';
import type { MoveContext, MoveOf, Step } from './move.js';
import { settle, settledNote } from './settle.js';

type Context = MoveContext<MoveOf<'hand-over'>>;

/** They say so themselves: an order whose answer came too late, or never, was carried out. */
export function isHandedOver(service: ServiceAt, move: MoveOf<'hand-over'>): boolean {
  const from = memberOf(service, move.from);
  const to = memberOf(service, move.to);
  if (from?.isFresh !== true || to?.isFresh !== true) return false;
  const leads = isActive(to) && from.fact?.engine.active === false;
  return leads || isFollowed(service, from, to);
}

/**
 * The old leader mirrors the new one, which nothing but the hand-over made it do: it happened, even if the new leader
 * died before anybody saw it lead. One that answers as a mirror itself is another matter.
 */
export function isFollowed(service: ServiceAt, from: MemberAt, to: MemberAt): boolean {
  const { answered, active, upstreamUrl } = from.fact?.engine ?? {};
  const alias = from.intent?.spec.engineOptions['leaderAlias'];
  const follows =
    upstreamUrl !== undefined && [urlOf(service.declaration, to.name), alias].includes(upstreamUrl);
  return answered === true && active === false && follows && to.fact?.engine.answered !== true;
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
  const isOlder = move.leavesOlder === true;
  const first = [move.to, move.from];
  // What stands still below the old leader catches up when that was updated.
  const still = isOlder ? subtreeOf(service.topology, move.from) : [];
  const others = livingOf(service)
    .filter((member) => !first.includes(member.name) && member.hostState?.connected === true)
    .map((member) => member.name)
    .filter((member) => !still.includes(member));
  for (const member of [...first, ...others]) {
    const role = member === service.topology.leader ? 'leader' : 'mirror';
    const standsStill = isOlder && member === move.from;
    const step = settle(context, service, { member, role, standsStill });
    if (step !== undefined) return step;
  }
  const until = isOlder ? ', and replicates once it is updated' : '';
  return {
    kind: 'done',
    note: `${settledNote(service, move.to)}; ${move.from} mirrors it${until}`,
  };
}
