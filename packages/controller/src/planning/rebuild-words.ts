// What an operator is told of a store that is being rebuilt, and what may not be planned meanwhile. Pure.
import type { Explanation, Goal, Refusal } from '@leafward/shared/gen/domain.js';
import type { RebuildState, Snapshot } from '../snapshot.js';
import { servicesOfGoal } from './goal-services.js';
import { evidence, listed } from './words.js';

type Rebuilding = Pick<Snapshot, 'rebuild' | 'olderCopy'>;

export function rebuildProblems({ rebuild, olderCopy }: Rebuilding): readonly string[] {
  if (olderCopy !== undefined)
    return [
      `the store is an older copy that was put back: ${olderCopy.what}; nothing is ordered until it is made anew from what the agents know: leafward-controller rebuild --set-aside`,
    ];
  if (rebuild === undefined) return [];
  const open = Object.entries(rebuild.open).flatMap(([service, problems]) =>
    problems.map(({ message }) => `${service} is not rebuilt yet: ${message}`),
  );
  const missing = unheardOf(rebuild);
  if (open.length > 0 || rebuild.endedAt !== undefined || missing.length === 0) return open;
  return [`the store is being rebuilt: ${listed(missing)} not heard yet`];
}

const unheardOf = ({ hosts, heard, gone }: RebuildState): readonly string[] =>
  hosts.filter((name) => !heard.includes(name) && !gone.some(({ host }) => host === name));

export function explainRebuild({ rebuild }: Rebuilding, subject: string): readonly Explanation[] {
  const problems = rebuild?.open[subject];
  if (rebuild === undefined || problems === undefined) return [];
  return [
    {
      subject,
      summary: `${subject} is not rebuilt yet; nothing is decided for it, and its members run on`,
      facts: [
        evidence('heard', listed(rebuild.heard), { wanted: listed(rebuild.hosts) }),
        ...rebuild.gone.map(({ host, reason }) => evidence(`given up ${host}`, reason)),
      ],
      waits: [],
      refusals: problems,
      findings: [],
    },
  ];
}

/** Nothing is decided by a store that has forgotten what an agent knows (I1, I5, I11). */
export function objectToOlderCopy(
  { olderCopy }: Pick<Snapshot, 'olderCopy'>,
  subject: string,
): readonly Refusal[] {
  if (olderCopy === undefined) return [];
  const { host, what, at } = olderCopy;
  return [
    {
      code: 'store-older-copy',
      subject,
      message: `the store is an older copy that was put back: ${what}`,
      unblock:
        'put a newer copy back, or make the store anew from what the agents know: leafward-controller rebuild --set-aside --manifest fleet.yaml',
      evidence: [evidence('said by', host, { seenAt: at })],
    },
  ];
}

/** A deploy would place anew what is only not known yet. */
export function objectToPlanning(snapshot: Rebuilding, goal: Goal): readonly Refusal[] {
  const { rebuild, olderCopy } = snapshot;
  if (olderCopy !== undefined) return objectToOlderCopy(snapshot, goal.kind);
  if (rebuild === undefined || rebuild.endedAt !== undefined) return [];
  const open = rebuild.open;
  if (goal.kind !== 'deploy') return servicesOfGoal(goal).flatMap((name) => open[name] ?? []);
  const problems = Object.values(open).flat();
  const missing = unheardOf(rebuild);
  if (problems.length > 0 || missing.length === 0) return problems;
  return [
    {
      code: 'hosts-unheard',
      subject: 'deploy',
      message: `${listed(missing)} not heard yet`,
      unblock:
        'bring them up; one that is lost for good: leafward-controller rebuild --gone HOST --reason "why"',
      evidence: [],
    },
  ];
}
