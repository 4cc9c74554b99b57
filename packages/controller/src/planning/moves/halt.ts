// halt: members are stopped one after another, each proven before the next. Their storage and their place in the
// tree stay; who starts them again is a later move's business. Phases: one a member.
import { memberOf } from '../gather.js';
import { listed } from '../words.js';
import { serviceAt, type MoveContext, type MoveOf, type MoveRow, type Step } from './move.js';
import { waitUntilStopped } from './stopped.js';

type Context = MoveContext<MoveOf<'halt'>>;

export const halt: MoveRow<MoveOf<'halt'>> = {
  begin: (context) => stopFrom(context, 0),
  check: (context) => {
    const service = serviceAt(context);
    const index = context.progress.phase - 1;
    const member = service && memberOf(service, context.move.members[index] ?? '');
    if (service === undefined || member === undefined)
      return { kind: 'failed', reason: 'a member of this move is not known any more; plan again' };
    return (
      waitUntilStopped(context, service, member, context.progress.begunAt) ??
      stopFrom(context, index + 1)
    );
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
        // What must never run again is not told anything milder (I2).
        intents: [
          { ...member.intent, run: member.intent.run === 'retired' ? 'retired' : 'stopped' },
        ],
      },
    ],
  };
}
