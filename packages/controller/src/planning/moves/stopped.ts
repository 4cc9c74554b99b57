// When a member that was ordered to stop is proven to be stopped: its agent has the order on its disk and has seen
// it stopped after that. Pure; shared by every move that stops members for others' sake.
import { evidenceOf } from '../diagnose.js';
import type { MemberAt, ServiceAt } from '../gather.js';
import { BEGIN_PATIENCE_MS } from '../thresholds.js';
import {
  generationEvidence,
  hasTakenIntent,
  isSeenAfter,
  refusalText,
  wait,
  waitForHost,
  type MoveContext,
  type Step,
} from './move.js';

/** `after`: what was told before this moment of the controller's clock proves nothing. Undefined: it is stopped. */
export function waitUntilStopped(
  context: MoveContext,
  service: ServiceAt,
  member: MemberAt,
  after: number | undefined,
): Step | undefined {
  if (member.hostState?.connected !== true) return waitForHost(context, member);
  if (isStopped(member) && hasTakenIntent(member) && isSeenAfter(member, after)) return undefined;
  return wait(context, {
    code: 'stopping',
    subject: member.name,
    message: `${member.name} is ${member.fact?.container.state ?? 'not seen'} and shall stop${refusalText(member)}`,
    timeoutMs: Math.max(BEGIN_PATIENCE_MS, 2 * service.declaration.stopGraceMs),
    unblock: `wait for it, or look at it: leafward why ${member.name}`,
    evidence: [...evidenceOf(service, member, context.snapshot.now), generationEvidence(member)],
  });
}

export const isStopped = ({ fact }: MemberAt): boolean =>
  ['absent', 'exited', 'created'].includes(fact?.container.state ?? 'unknown');
