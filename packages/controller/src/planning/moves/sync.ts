// sync: a tool beside the new leader brings it what the source got since its backup, until it has caught up. Stops nobody.
import { memberOf } from '../gather.js';
import { OUTCOME_MS } from '../thresholds.js';
import { evidence } from '../words.js';
import {
  outcomeOf,
  sendRequest,
  serviceAt,
  wait,
  waitForHost,
  type MoveOf,
  type MoveRow,
} from './move.js';

export const sync: MoveRow<MoveOf<'sync'>> = {
  begin: (context) => {
    const { move } = context;
    const service = serviceAt(context);
    if (service?.topology.leader !== move.member)
      return { kind: 'failed', reason: `${move.member} does not lead any more; plan again` };
    return {
      kind: 'go',
      phase: 1,
      event: `brings ${move.member} what its source got since`,
      effects: [
        sendRequest(context, {
          host: move.host,
          act: {
            kind: 'sync-from-source',
            member: move.member,
            term: service.topology.term,
            ...move.sync,
          },
        }),
      ],
    };
  },
  check: (context) => {
    const { move } = context;
    const outcome = outcomeOf(context);
    if (outcome?.state === 'succeeded')
      return {
        kind: 'done',
        note: `${move.member} has caught up with its source: ${outcome.message ?? ''}`,
      };
    if (outcome !== undefined && outcome.state !== 'running')
      return {
        kind: 'failed',
        reason: `${move.member} has not caught up with its source for certain (${outcome.state}): ${outcome.message ?? 'no reason given'}; it runs on. Resume to go on from where the tool is`,
      };
    const service = serviceAt(context);
    const member = service && memberOf(service, move.member);
    if (member !== undefined && member.hostState?.connected !== true)
      return waitForHost(context, member);
    return wait(context, {
      code: 'syncing-from-source',
      subject: move.member,
      message: `${move.member} catches up with its source${outcome?.progress === undefined ? '' : `: ${outcome.progress}`}`,
      timeoutMs: move.sync.timeoutMs + OUTCOME_MS,
      unblock: 'wait; nobody is stopped meanwhile',
      evidence: [evidence('request', outcome?.state ?? 'not begun')],
    });
  },
};
