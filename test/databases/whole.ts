// When a service is whole although clients go on writing: a lag of zero is luck then, since facts of two hosts are of
// two instants.
import type { MemberView } from '@leafward/shared/gen/domain.js';

/**
 * Asked again and again about the same members: the leader's name once one leads and all others mirror it and have
 * what it had when it was first seen to lead. @throws Error with what is missing
 */
export function wholenessOf(): (members: readonly MemberView[]) => string {
  const wanted = new Map<string, number>();
  return (members) => {
    const leaders = members.filter(({ state }) => state === 'leading');
    const [leader] = leaders;
    if (leader !== undefined && !wanted.has(leader.member))
      wanted.set(leader.member, leader.position ?? 0);
    const goal = wanted.get(leader?.member ?? '') ?? Infinity;
    const followers = members.filter(
      ({ state, position = -1 }) => state === 'mirroring' && position >= goal,
    );
    if (leader !== undefined && followers.length === members.length - 1) return leader.member;
    const seen = members.map(
      ({ member, state, position }) => `${member} ${state} at ${position ?? '?'}`,
    );
    throw new Error(`${seen.join(', ')}; wanted is ${goal}`);
  };
}
