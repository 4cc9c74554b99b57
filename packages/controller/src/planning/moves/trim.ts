// trim: the leader cuts its log, with every mirror named from the tree of this moment, never from that of the plan (I8).
import { memberOf, urlOf } from '../gather.js';
import { mirrorsOf } from '../plan-trim.js';
import { CATCH_CUT_MS, OUTCOME_MS } from '../thresholds.js';
import { evidence, listed } from '../words.js';
import {
  outcomeOf,
  sendRequest,
  serviceAt,
  wait,
  waitForHost,
  type MoveOf,
  type MoveRow,
} from './move.js';

export const trim: MoveRow<MoveOf<'trim'>> = {
  begin: (context) => {
    const { move } = context;
    const service = serviceAt(context);
    const mirrors = service === undefined ? [] : mirrorsOf(service);
    const names = mirrors.map((mirror) => mirror.name);
    if (service?.topology.leader !== move.member)
      return { kind: 'failed', reason: `${move.member} does not lead any more; plan again` };
    if (names.join() !== move.mirrors.join())
      return {
        kind: 'failed',
        reason: `the tree has changed: ${listed(names)} read the log, the plan names ${listed(move.mirrors)} (I8); plan again`,
      };
    return {
      kind: 'go',
      phase: 1,
      event: `asks ${move.member} to trim its log, read by ${listed(names)}`,
      effects: [
        sendRequest(context, {
          host: move.host,
          act: {
            kind: 'trim-log',
            member: move.member,
            term: service.topology.term,
            consumers: names.map((name) => urlOf(service.declaration, name)),
            timeoutMs: CATCH_CUT_MS,
          },
        }),
      ],
    };
  },
  check: (context) => {
    const { move } = context;
    const outcome = outcomeOf(context);
    if (outcome?.state === 'succeeded')
      return { kind: 'done', note: outcome.message ?? `${move.member} has trimmed its log` };
    if (outcome !== undefined && outcome.state !== 'running')
      return {
        kind: 'failed',
        reason: `the log of ${move.member} was not trimmed for certain (${outcome.state}): ${outcome.message ?? 'no reason given'}; see that its mirrors still follow, then resume to try again`,
      };
    const service = serviceAt(context);
    const member = service && memberOf(service, move.member);
    if (member !== undefined && member.hostState?.connected !== true)
      return waitForHost(context, member);
    return wait(context, {
      code: 'trimming',
      subject: move.member,
      message: `${move.member} trims its log${outcome?.progress === undefined ? '' : `: ${outcome.progress}`}`,
      timeoutMs: 2 * CATCH_CUT_MS + OUTCOME_MS,
      unblock: 'wait',
      evidence: [evidence('request', outcome?.state ?? 'not begun')],
    });
  },
};
