// recreate: one member stops gracefully, comes back with its new spec and is waited for until it is ready, of a
// version that is not lower, and caught up. Role, upstream and term stay as they are.
import { memberOf } from '../gather.js';
import { roleOf } from '../intents.js';
import { declare } from './declared.js';
import { serviceAt, type MoveOf, type MoveRow } from './move.js';
import { settle, settledNote } from './settle.js';

export const recreate: MoveRow<MoveOf<'recreate'>> = {
  begin: (context) => {
    const { move, operation, snapshot, progress } = context;
    const service = serviceAt(context);
    const member = service === undefined ? undefined : memberOf(service, move.member);
    if (member?.intent === undefined)
      return { kind: 'failed', reason: `${move.member} is not placed any more; plan again` };
    // What was taken over is replaced, whatever its spec is now.
    const { adoption } = member.intent;
    const replaced = adoption && { adoption: { ...adoption, specDigest: '' } };
    return {
      kind: 'go',
      phase: 1,
      event: `recreates ${move.member} on ${move.host}: ${move.cause}`,
      effects: [
        ...declare(operation, snapshot, move.service),
        {
          kind: 'set-intents',
          host: member.host,
          intents: [{ ...member.intent, ...replaced, spec: move.spec, run: 'running' }],
        },
      ],
      // A later attempt may find it restarted already: the first one's run id stays the mark.
      progress: { runIdBefore: progress.runIdBefore ?? member.fact?.engine.runId },
    };
  },
  check: (context) => {
    const { move, progress } = context;
    const service = serviceAt(context);
    const member = service === undefined ? undefined : memberOf(service, move.member);
    if (service === undefined || member === undefined)
      return { kind: 'failed', reason: `${move.member} is not known any more; plan again` };
    return (
      settle(context, service, {
        member: move.member,
        role: roleOf(service.declaration, service.topology, move.member),
        runIdBefore: progress.runIdBefore,
        versionBefore: move.fromVersion,
      }) ?? { kind: 'done', note: settledNote(service, move.member) }
    );
  },
};
