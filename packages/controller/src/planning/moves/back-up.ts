// back-up: one live backup by its member's agent. An outcome that nobody knows is no backup.
import { memberOf } from '../gather.js';
import { BACKUP_MS } from '../thresholds.js';
import { evidence, renderDuration, renderSize } from '../words.js';
import {
  outcomeOf,
  sendRequest,
  serviceAt,
  wait,
  waitForHost,
  type MoveOf,
  type MoveRow,
} from './move.js';

export const backUp: MoveRow<MoveOf<'back-up'>> = {
  begin: (context) => {
    const { move } = context;
    const service = serviceAt(context);
    return {
      kind: 'go',
      phase: 1,
      event: `asks ${move.host} to back up ${move.member} as ${move.name}`,
      effects: [
        sendRequest(context, {
          host: move.host,
          act: {
            kind: 'run-backup',
            member: move.member,
            term: service?.topology.term ?? 0,
            name: move.name,
            databaseBackup: move.databaseBackup,
          },
        }),
      ],
    };
  },
  check: (context) => {
    const { move } = context;
    const outcome = outcomeOf(context);
    if (outcome?.state === 'succeeded' && outcome.backup !== undefined) {
      const { sizeBytes, finishedAt, startedAt, position } = outcome.backup;
      return {
        kind: 'done',
        note: `${move.name} of ${move.member}: ${renderSize(sizeBytes)} in ${renderDuration(finishedAt - startedAt)}${position === undefined ? '' : `, position ${position}`}`,
      };
    }
    if (outcome !== undefined && outcome.state !== 'running')
      return {
        kind: 'failed',
        reason: `the backup of ${move.member} ${outcome.state === 'unknown' ? 'has an unknown end' : outcome.state === 'succeeded' ? 'was not told of' : `was ${outcome.state}`}: ${outcome.message ?? 'no reason given'}; resume to take another one`,
      };
    const service = serviceAt(context);
    const member = service === undefined ? undefined : memberOf(service, move.member);
    if (member !== undefined && member.hostState?.connected !== true)
      return waitForHost(context, member);
    return wait(context, {
      code: 'backing-up',
      subject: move.member,
      message: `${move.member} is being backed up${outcome?.progress === undefined ? '' : `: ${outcome.progress}`}`,
      timeoutMs: BACKUP_MS,
      unblock: 'wait',
      evidence: [evidence('request', outcome?.state ?? 'not begun')],
    });
  },
};
