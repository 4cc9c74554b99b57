// Rule: where a leader must not outlive its permit, the dead-man is at work, and had nothing to do.
import { isLeased } from '../deadman/deadline.js';
import type { Check, CheckContext, CheckResult } from './check.js';

/** A stop by the dead-man is shown for a day: it means that an agent hung or was away for a whole lease. */
const SHOWN_MS = 24 * 3_600_000;

export const deadman: Check = {
  id: 'deadman',
  why: 'With onIsolation: stop somebody takes over when the lease is over, so a leader must be stopped by then even if its agent hangs; the dead-man does that, and when it had to, the agent did not (I1)',
  source: 'docs/design.md, A dead-man outside the agent',
  fixable: false,
  run: (context) => Promise.resolve(context.members.some(isLeased) ? results(context) : []),
};

function results({ deadman: fact, now }: CheckContext): readonly CheckResult[] {
  const subject = 'leafward-deadman';
  const isNeeded = (fact?.armed ?? 0) > 0;
  if (isNeeded && fact?.alive !== true)
    return [
      {
        subject,
        severity: 'critical',
        seen: `it does not look at the deadlines of ${fact?.armed} leaders`,
        wanted: 'it looks once a second',
        fix: 'systemctl enable --now leafward-deadman, then look at its log: journalctl -u leafward-deadman',
      },
    ];
  const wanted = 'it watches and had to stop nobody';
  if (fact?.lastStopAt !== undefined && now - fact.lastStopAt < SHOWN_MS)
    return [
      {
        subject,
        severity: 'warning',
        seen: `the dead-man stopped ${fact.lastMember} at ${new Date(fact.lastStopAt).toISOString()}`,
        wanted,
        fix: 'find out why the agent did not: journalctl -u leafward-agent around that time',
      },
    ];
  return [{ subject, severity: 'ok', seen: `${fact?.armed ?? 0} armed`, wanted, fix: '' }];
}
