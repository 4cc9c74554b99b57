// What must not be concluded from a look at members that are still being worked on. Pure.
import type { Observed } from './plan.js';

/**
 * While steps of an older order are being finished, a member may look stopped and be started a moment later:
 * nothing may be concluded from it, a fence least of all (I1).
 */
export function withoutUnsettled(observed: Observed, unsettled: ReadonlySet<string>): Observed {
  if (unsettled.size === 0) return observed;
  const error = 'the last step of an older order is being finished';
  const members = observed.members.map((member) =>
    unsettled.has(member.intent.member)
      ? { ...member, container: { ...member.container, state: 'unknown' as const, error } }
      : member,
  );
  return { ...observed, members };
}
