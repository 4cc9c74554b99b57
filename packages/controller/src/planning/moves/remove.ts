// remove: a leaf is stopped and its container removed; the storage stays. It leaves the tree when that was seen.
import { memberOf } from '../gather.js';
import { ACCEPT_MS } from '../thresholds.js';
import { evidence } from '../words.js';
import { declare } from './declared.js';
import {
  generationEvidence,
  hasTakenIntent,
  serviceAt,
  wait,
  waitForHost,
  type MoveOf,
  type MoveRow,
} from './move.js';

export const remove: MoveRow<MoveOf<'remove'>> = {
  begin: (context) => {
    const { move, operation, snapshot } = context;
    const service = serviceAt(context);
    const member = service === undefined ? undefined : memberOf(service, move.member);
    if (member?.intent === undefined)
      return { kind: 'done', note: `${move.member} is not placed any more` };
    return {
      kind: 'go',
      phase: 1,
      event: `removes ${move.member} from ${move.host}`,
      effects: [
        ...declare(operation, snapshot, move.service),
        { kind: 'set-intents', host: move.host, intents: [{ ...member.intent, run: 'removed' }] },
      ],
    };
  },
  check: (context) => {
    const { move, progress } = context;
    const service = serviceAt(context);
    const member = service === undefined ? undefined : memberOf(service, move.member);
    if (service === undefined || member === undefined)
      return { kind: 'done', note: `${move.member} is gone` };
    const { hostState, fact, receivedAt } = member;
    if (hostState?.connected !== true) return waitForHost(context, member);
    const heardAt = receivedAt ?? hostState.lastSeenAt ?? 0;
    const isNews = hasTakenIntent(member) && heardAt > (progress.begunAt ?? 0);
    if (!isNews || (fact !== undefined && fact.container.state !== 'absent'))
      return wait(context, {
        code: 'removing',
        subject: move.member,
        message: `${move.member} is ${fact?.container.state ?? 'not told of'} on ${move.host}`,
        timeoutMs: service.declaration.stopGraceMs + 2 * ACCEPT_MS,
        unblock: `look at its agent: leafward why ${move.host}`,
        evidence: [
          evidence('container', fact?.container.state, { wanted: 'absent', seenAt: receivedAt }),
          generationEvidence(member),
        ],
      });
    const { [move.member]: _, ...upstreams } = service.topology.upstreams;
    return {
      kind: 'done',
      note: `${move.member} is gone from ${move.host}; its storage stays`,
      effects: [
        { kind: 'set-topology', topology: { ...service.topology, upstreams } },
        { kind: 'drop-intent', host: move.host, member: move.member },
      ],
    };
  },
};
