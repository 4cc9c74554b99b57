// snapshot: the operator's own command, run on the member's host while its writes wait. Nothing is catalogued: what the
// command made nobody here can read again.
import { memberOf } from '../gather.js';
import { FREEZE_MS, OUTCOME_MS } from '../thresholds.js';
import { evidence, renderDuration } from '../words.js';
import {
  outcomeOf,
  sendRequest,
  serviceAt,
  wait,
  waitForHost,
  type MoveOf,
  type MoveRow,
} from './move.js';

export const snapshot: MoveRow<MoveOf<'snapshot'>> = {
  begin: (context) => {
    const { move } = context;
    const { member, command, timeoutMs, freeze } = move;
    const term = serviceAt(context)?.topology.term ?? 0;
    return {
      kind: 'go',
      phase: 1,
      event: `asks ${move.host} to ${freeze ? `freeze ${member} and run` : 'run'} ${command[0] ?? 'nothing'}`,
      effects: [
        sendRequest(context, {
          host: move.host,
          act: { kind: 'take-snapshot', member, term, command, timeoutMs, freeze },
        }),
      ],
    };
  },
  check: (context) => {
    const { move } = context;
    const outcome = outcomeOf(context);
    const taken = outcome?.snapshot;
    if (outcome?.state === 'succeeded' && taken !== undefined) {
      const stood =
        taken.frozenMs === undefined ? 'writes went on' : `writes stood for ${taken.frozenMs} ms`;
      const said = taken.output === '' ? 'it printed nothing' : `it printed: ${taken.output}`;
      return {
        kind: 'done',
        note: `the command took ${renderDuration(taken.tookMs)}; ${stood}; ${said}`,
      };
    }
    if (outcome !== undefined && outcome.state !== 'running')
      return {
        kind: 'failed',
        reason: `the snapshot of ${move.member} ${outcome.state === 'unknown' ? 'has an unknown end' : `was ${outcome.state}`}: ${outcome.message ?? 'no reason given'}; whatever was frozen is resumed by itself. Look at what the command left, then resume to try again`,
      };
    const service = serviceAt(context);
    const member = service && memberOf(service, move.member);
    if (member !== undefined && member.hostState?.connected !== true)
      return waitForHost(context, member);
    return wait(context, {
      code: 'taking-snapshot',
      subject: move.member,
      message: `the snapshot command of ${move.member} runs${outcome?.progress === undefined ? '' : `: ${outcome.progress}`}`,
      timeoutMs: move.timeoutMs + FREEZE_MS + OUTCOME_MS,
      unblock: 'wait; it is ended when its time is over, and writes go on',
      evidence: [evidence('request', outcome?.state ?? 'not begun')],
    });
  },
};
