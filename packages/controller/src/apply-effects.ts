// Turns what a planner asked for into changes of the store. Pure: the same effects on the same snapshot give the
// same changes, and a host's generation rises by one however many of its members change.
import type { HostIntent, MemberIntent } from '@leafward/shared/gen/domain.js';
import { assert, unreachable } from '@leafward/shared/assert.js';
import type { Change } from './changes.js';
import type { Effect } from './planning/effects.js';
import type { Snapshot } from './snapshot.js';

export function changesOf(snapshot: Snapshot, effects: readonly Effect[]): readonly Change[] {
  const changes: Change[] = [];
  const intents = new Map<string, HostIntent>();
  const edit = (
    host: string,
    members: (old: readonly MemberIntent[]) => readonly MemberIntent[],
  ): void => {
    const now = intents.get(host) ?? nextIntent(snapshot, host);
    intents.set(host, { ...now, members: members(now.members) });
  };
  for (const effect of effects) {
    switch (effect.kind) {
      case 'set-intents':
        edit(effect.host, (old) => replaceMembers(old, effect.intents));
        break;
      case 'drop-intent':
        edit(effect.host, (old) => old.filter((intent) => intent.member !== effect.member));
        break;
      case 'set-topology':
      case 'set-service':
        changes.push(serviceChange(snapshot, effect, changes));
        break;
      case 'send-request':
        if (snapshot.requests[effect.request.id] === undefined)
          changes.push({
            kind: 'request',
            state: { request: effect.request, host: effect.host, createdAt: snapshot.now },
          });
        break;
      default:
        unreachable(effect);
    }
  }
  return [
    ...changes,
    ...[...intents.values()].map((intent): Change => ({ kind: 'intent', intent })),
  ];
}

function nextIntent(snapshot: Snapshot, host: string): HostIntent {
  const { intent: old, acceptedGeneration = 0 } = snapshot.hosts[host] ?? {};
  return {
    host,
    // Above what its agent holds too: a store that was put back has forgotten orders that the agent has not.
    generation: Math.max(old?.generation ?? 0, acceptedGeneration) + 1,
    epoch: snapshot.epoch,
    members: old?.members ?? [],
  };
}

function replaceMembers(
  old: readonly MemberIntent[],
  wanted: readonly MemberIntent[],
): readonly MemberIntent[] {
  const names = new Set(wanted.map((intent) => intent.member));
  for (const intent of wanted) {
    const before = old.find((o) => o.member === intent.member);
    if (before === undefined) continue;
    assert(intent.term >= before.term, `the term of ${intent.member} would fall (I11)`);
    assert(
      before.run !== 'retired' || intent.run === 'retired' || beginsAgain(before, intent),
      `${intent.member} is retired and would run again (I2)`,
    );
  }
  return [...old.filter((intent) => !names.has(intent.member)), ...wanted].sort((a, b) =>
    a.member.localeCompare(b.member),
  );
}

/** The one way back for a retired member's host: as a mirror, by a reseed that it has not had. */
const beginsAgain = (before: MemberIntent, intent: MemberIntent): boolean =>
  intent.role === 'mirror' && intent.reseed !== undefined && intent.reseed.id !== before.reseed?.id;

function serviceChange(
  snapshot: Snapshot,
  effect: Extract<Effect, { readonly kind: 'set-topology' | 'set-service' }>,
  earlier: readonly Change[],
): Change {
  const name = effect.kind === 'set-topology' ? effect.topology.service : effect.declaration.name;
  const pending = earlier.findLast((c) => c.kind === 'service' && c.name === name);
  const before = pending?.kind === 'service' ? pending.state : snapshot.services[name];
  if (effect.kind === 'set-topology') {
    assert(before !== undefined, `${name} has no declaration yet`);
    assert(effect.topology.term >= before.topology.term, `the term of ${name} would fall (I1)`);
    assert(
      effect.topology.term > before.topology.term ||
        effect.topology.leader === before.topology.leader,
      `${name} would have two leaders in term ${effect.topology.term} (I1)`,
    );
    return { kind: 'service', name, state: { ...before, topology: effect.topology } };
  }
  const topology = before?.topology ?? firstTopology(effect.declaration);
  return { kind: 'service', name, state: { ...before, declaration: effect.declaration, topology } };
}

/** Term 1 is led by the member without an upstream. Members join the tree as they are placed. */
function firstTopology(
  declaration: Extract<Effect, { readonly kind: 'set-service' }>['declaration'],
): Snapshot['services'][string]['topology'] {
  const leader = declaration.members.find((member) => member.upstream === undefined);
  assert(leader !== undefined, `${declaration.name} declares no leader`);
  return { service: declaration.name, term: 1, leader: leader.name, upstreams: {}, retired: [] };
}
