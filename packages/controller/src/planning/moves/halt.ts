// halt: members are stopped one after another, each proven before the next. Their storage and their place in the
// tree stay; who starts them again is a later move's business. Phases: one a member.
import { evidenceOf } from '../diagnose.js';
import { memberOf, type MemberAt, type ServiceAt } from '../gather.js';
import { BEGIN_PATIENCE_MS } from '../thresholds.js';
import { listed } from '../words.js';
import {
  generationEvidence,
  hasTakenIntent,
  isSeenAfter,
  refusalText,
  serviceAt,
  wait,
  waitForHost,
  type MoveContext,
  type MoveOf,
  type MoveRow,
  type Step,
} from './move.js';

type Context = MoveContext<MoveOf<'halt'>>;

export const halt: MoveRow<MoveOf<'halt'>> = {
  begin: (context) => stopFrom(context, 0),
  check: (context) => {
    const service = serviceAt(context);
    const index = context.progress.phase - 1;
    const member = service && memberOf(service, context.move.members[index] ?? '');
    if (service === undefined || member === undefined)
      return { kind: 'failed', reason: 'a member of this move is not known any more; plan again' };
    return notStopped(context, service, member) ?? stopFrom(context, index + 1);
  },
};

/** The order for the member at this place of the list, or the end of the move. */
function stopFrom(context: Context, index: number): Step {
  const name = context.move.members[index];
  if (name === undefined)
    return { kind: 'done', note: `${listed(context.move.members)} stopped, in this order` };
  const service = serviceAt(context);
  const member = service && memberOf(service, name);
  if (member?.intent === undefined)
    return { kind: 'failed', reason: `${name} is not placed any more; plan again` };
  return {
    kind: 'go',
    phase: index + 1,
    event: `stops ${name} on ${member.host}`,
    effects: [
      {
        kind: 'set-intents',
        host: member.host,
        intents: [{ ...member.intent, run: 'stopped' }],
      },
    ],
  };
}

function notStopped(context: Context, service: ServiceAt, member: MemberAt): Step | undefined {
  if (member.hostState?.connected !== true) return waitForHost(context, member);
  const state = member.fact?.container.state;
  const isStopped = state === 'exited' || state === 'absent' || state === 'created';
  if (isStopped && hasTakenIntent(member) && isSeenAfter(member, context.progress.begunAt))
    return undefined;
  return wait(context, {
    code: 'stopping',
    subject: member.name,
    message: `${member.name} is ${state ?? 'not seen'} and shall stop${refusalText(member)}`,
    timeoutMs: Math.max(BEGIN_PATIENCE_MS, 2 * service.declaration.stopGraceMs),
    unblock: `wait for it, or look at it: leafward why ${member.name}`,
    evidence: [...evidenceOf(service, member, context.snapshot.now), generationEvidence(member)],
  });
}
