// That a backup is of the log that the leader has, asked of the leader itself: before anything is touched whether it still
// has the entry that the backup ends with, and afterwards whether the mirror that was made of it has the same one. Pure.
import type { Outcome } from '@leafward/shared/gen/domain.js';
import { evidenceOf } from '../diagnose.js';
import { memberOf, type MemberAt, type ServiceAt } from '../gather.js';
import { setIntents } from '../intents.js';
import { OUTCOME_MS } from '../thresholds.js';
import { evidence } from '../words.js';
import {
  outcomeOf,
  sendRequest,
  wait,
  waitForHost,
  type MoveContext,
  type MoveOf,
  type Step,
} from './move.js';

type Context = MoveContext<MoveOf<'reseed'>>;

/** Above those in which a member is provisioned. */
export const PHASES = { asking: 100, comparing: 101, stopped: 102 } as const;
const ASKED = 'history';
const OF_LEADER = 'leader-history';
const OF_MIRROR = 'mirror-history';

/** Undefined: it is filled from its upstream, or the backup is of a log without an entry. */
export function lastEntryOf({ move }: Context): number | undefined {
  const { reseed, backupPosition = 0 } = move;
  return reseed?.backup === undefined || backupPosition === 0 ? undefined : backupPosition - 1;
}

export function askLeader(context: Context, service: ServiceAt, offset: number): Step {
  const { leader, topology } = service;
  if (leader?.hostState?.connected !== true)
    return { kind: 'failed', reason: `${topology.leader} cannot be asked for its log` };
  return {
    kind: 'go',
    phase: PHASES.asking,
    event: `asks ${leader.name} whether its log has entry ${offset} still`,
    effects: [probe(context, service, { member: leader, offset, suffix: ASKED })],
  };
}

/** Undefined: it has it. */
export function leaderAnswer(context: Context, service: ServiceAt): Step | undefined {
  const { move } = context;
  const outcome = outcomeOf(context, ASKED);
  if (outcome?.state === 'succeeded') return undefined;
  if (outcome === undefined || outcome.state === 'running')
    return waitForAnswer(context, service, service.leader);
  return {
    kind: 'failed',
    reason: `${service.topology.leader} has no entry any more from which a mirror made of ${move.reseed?.backup ?? 'it'} could go on: ${outcome.message ?? outcome.state}; nothing was touched. Take a newer backup, or plan the reseed without --from-backup`,
  };
}

/** Both at once, the leader again: it may be another one by now. */
export function compare(context: Context, service: ServiceAt, offset: number): Step {
  const member = memberOf(service, context.move.member);
  const { leader } = service;
  if (leader === undefined || member === undefined)
    return { kind: 'failed', reason: `${context.move.member} is not known any more; plan again` };
  return {
    kind: 'go',
    phase: PHASES.comparing,
    event: `compares entry ${offset} of ${member.name} with that of ${leader.name}`,
    effects: [
      probe(context, service, { member: leader, offset, suffix: OF_LEADER }),
      probe(context, service, { member, offset, suffix: OF_MIRROR }),
    ],
  };
}

/** Undefined: they are the same. One of another history is stopped: ready and healthy it would deceive everybody. */
export function compared(context: Context, service: ServiceAt): Step | undefined {
  const member = memberOf(service, context.move.member);
  const [ofLeader, ofMirror] = [outcomeOf(context, OF_LEADER), outcomeOf(context, OF_MIRROR)];
  for (const [outcome, who] of [
    [ofLeader, service.leader],
    [ofMirror, member],
  ] as const) {
    if (outcome === undefined || outcome.state === 'running')
      return waitForAnswer(context, service, who);
    if (outcome.state !== 'succeeded')
      return {
        kind: 'failed',
        reason: `whether ${context.move.member} has the log of ${service.topology.leader} could not be seen: ${who?.name ?? ''}: ${outcome.message ?? outcome.state}; resume to ask again`,
      };
  }
  if (isSame(ofLeader, ofMirror) || member?.intent === undefined) return undefined;
  const intent = { ...member.intent, run: 'stopped' as const, reseed: undefined };
  return {
    kind: 'go',
    phase: PHASES.stopped,
    event: `${member.name} has another log than ${service.topology.leader}: it is kept stopped`,
    effects: setIntents([{ host: member.host, intent }]),
  };
}

export function differed({ move }: Context, { topology }: ServiceAt): Step {
  return {
    kind: 'failed',
    reason: `${move.reseed?.backup ?? 'the backup'} is of another history than the log of ${topology.leader}: ${move.member} was stopped again; fill it from its upstream: leafward plan reseed ${move.service} ${move.member}`,
  };
}

const isSame = (one: Outcome | undefined, other: Outcome | undefined): boolean =>
  one?.history !== undefined && one.history.sha256 === other?.history?.sha256;

function probe(
  context: Context,
  { topology }: ServiceAt,
  {
    member,
    offset,
    suffix,
  }: { readonly member: MemberAt; readonly offset: number; readonly suffix: string },
) {
  const act = { kind: 'probe-history', member: member.name, term: topology.term, offset } as const;
  return sendRequest(context, { host: member.host, suffix, act });
}

function waitForAnswer(context: Context, service: ServiceAt, who: MemberAt | undefined): Step {
  if (who !== undefined && who.hostState?.connected !== true) return waitForHost(context, who);
  const { now } = context.snapshot;
  return wait(context, {
    code: 'comparing-histories',
    subject: who?.name ?? context.move.member,
    message: `${who?.name ?? 'a member'} is asked for an entry of its log`,
    timeoutMs: OUTCOME_MS,
    unblock: `look at it with: leafward why ${who?.name ?? service.name}`,
    evidence: [
      evidence('entry', lastEntryOf(context)),
      ...(who === undefined ? [] : evidenceOf(service, who, now)),
    ],
  });
}
