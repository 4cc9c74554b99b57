// send: a backup goes to another host, which reads all of it again. Two requests of one transfer; what comes of it is the
// receiver's word, or the sender's when that one failed. Touches no member.
import type { Backup } from '@leafward/shared/gen/domain.js';
import { backupsOf, memberOf } from '../gather.js';
import { SEND_MS } from '../thresholds.js';
import { evidence, renderSize } from '../words.js';
import {
  outcomeOf,
  requestId,
  sendRequest,
  serviceAt,
  wait,
  waitForHost,
  type MoveContext,
  type MoveOf,
  type MoveRow,
  type Step,
} from './move.js';

type Context = MoveContext<MoveOf<'send'>>;

export const send: MoveRow<MoveOf<'send'>> = {
  begin: (context) => {
    const { move, snapshot } = context;
    const { backup: name, fromHost, toHost } = move;
    const found = lyingOn(context, fromHost);
    if (found === undefined)
      return { kind: 'failed', reason: `${name} lies on ${fromHost} no more; plan again` };
    const term = snapshot.services[move.service]?.topology.term ?? 0;
    const transfer = requestId(context);
    return {
      kind: 'go',
      phase: 1,
      event: `sends ${name} (${renderSize(found.sizeBytes)}) from ${fromHost} to ${toHost}`,
      effects: [
        sendRequest(context, {
          host: toHost,
          suffix: 'receive',
          act: {
            kind: 'receive-backup',
            member: move.toMember,
            term,
            backup: name,
            transfer,
            fromHost,
          },
        }),
        sendRequest(context, {
          host: fromHost,
          suffix: 'send',
          act: { kind: 'send-backup', member: move.fromMember, term, path: found.path, transfer },
        }),
      ],
    };
  },
  check: (context) => {
    const { backup, fromHost, toHost } = context.move;
    const received = outcomeOf(context, 'receive');
    if (received?.state === 'succeeded')
      return {
        kind: 'done',
        note: `${backup} lies on ${toHost} as well, where all of it was read again`,
      };
    const sent = outcomeOf(context, 'send');
    for (const [host, outcome] of [
      [toHost, received],
      [fromHost, sent],
    ] as const)
      if (outcome !== undefined && !['running', 'succeeded'].includes(outcome.state))
        return {
          kind: 'failed',
          reason: `${backup} did not get from ${fromHost} to ${toHost}: ${host} says: ${outcome.message ?? outcome.state}; resume to go on with what has arrived`,
        };
    return waitForEnds(context, sent?.progress ?? received?.progress);
  },
};

function waitForEnds(context: Context, progress: string | undefined): Step {
  const { backup, fromHost, toHost, fromMember, toMember } = context.move;
  const service = serviceAt(context);
  for (const name of [fromMember, toMember]) {
    const member = service && memberOf(service, name);
    if (member !== undefined && member.hostState?.connected !== true)
      return waitForHost(context, member);
  }
  return wait(context, {
    code: 'sending',
    subject: backup,
    message: `${backup} is on its way from ${fromHost} to ${toHost}${progress === undefined ? '' : `: ${progress}`}`,
    timeoutMs: SEND_MS,
    unblock: 'wait; what has arrived stays, and a break is gone on from',
    evidence: [evidence('from', fromHost), evidence('to', toHost)],
  });
}

function lyingOn({ move, snapshot }: Context, host: string): Backup | undefined {
  return backupsOf(snapshot, move.service).find(
    (one) => one.name === move.backup && one.host === host,
  );
}
