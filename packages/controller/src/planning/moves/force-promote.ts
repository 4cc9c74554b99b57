// force-promote: the new term begins. Tree, terms and intents are committed together with the order to promote;
// the other members learn the new term now and their new upstream only in repoint, so that nobody is restarted
// while the service has no leader. Done when the chosen one is seen to lead and to take writes.
import { assert } from '@leafward/shared/assert.js';
import type { MemberIntent, Outcome } from '@leafward/shared/gen/domain.js';
import { failOver, type Topology } from '@leafward/shared/topology.js';
import type { Effect } from '../effects.js';
import { memberOf, urlOf, type MemberAt, type ServiceAt } from '../gather.js';
import { evidenceOf } from '../diagnose.js';
import { setIntents, type HostedIntent } from '../intents.js';
import { OUTCOME_MS, PROMOTE_MS } from '../thresholds.js';
import { fencedAt } from './choose.js';
import { fenceAgain } from './fence.js';
import {
  isSeenAfter,
  outcomeOf,
  sendRequest,
  serviceAt,
  wait,
  waitForHost,
  waitsSince,
  type MoveContext,
  type MoveOf,
  type MoveRow,
  type Step,
} from './move.js';

type Context = MoveContext<MoveOf<'force-promote'>>;

export const forcePromote: MoveRow<MoveOf<'force-promote'>> = {
  begin: (context) => {
    const { move, operation } = context;
    const service = serviceAt(context);
    const chosen = operation.chosen;
    const target = service === undefined ? undefined : memberOf(service, chosen ?? '');
    if (service === undefined || target === undefined || chosen === undefined)
      return {
        kind: 'failed',
        reason: 'nobody was chosen, or it is not known any more; plan again',
      };
    assert(fencedAt(operation) !== undefined, `${operation.id} promotes without a fence (I1)`);
    const unproven = fenceAgain(context, service);
    if (unproven !== undefined) return unproven;
    return {
      kind: 'go',
      phase: 1,
      event: `promotes ${chosen} by force, term ${move.term}`,
      effects: [...beginTerm(context, service, chosen), order(context, target, 1)],
    };
  },
  check: (context) => {
    const { operation, snapshot, progress, move } = context;
    const service = serviceAt(context);
    const chosen = service === undefined ? undefined : memberOf(service, operation.chosen ?? '');
    if (service === undefined || chosen === undefined)
      return { kind: 'failed', reason: 'the chosen one is not known any more; plan again' };
    if (isSeenAfter(chosen, progress.begunAt) && leadsWritable(chosen))
      return {
        kind: 'done',
        note: `${chosen.name} leads ${move.service} in term ${move.term} and takes writes`,
      };
    const outcome = outcomeOf(context, suffixOf(progress.phase));
    if (outcome?.state === 'refused')
      return {
        kind: 'failed',
        reason: `the agent of ${chosen.host} refused to promote ${chosen.name}: ${outcome.message ?? 'no reason given'}; resume to try again`,
      };
    if (chosen.hostState?.connected !== true) return waitForHost(context, chosen);
    if (outcome?.state === 'failed' || outcome?.state === 'unknown')
      return unclear(context, service, chosen, outcome);
    return wait(context, {
      code: 'not-leading',
      subject: chosen.name,
      message: `${chosen.name} is not seen to lead and take writes yet`,
      timeoutMs: PROMOTE_MS + OUTCOME_MS,
      unblock: `look at it with: leafward why ${chosen.name}; resume to order it again`,
      evidence: evidenceOf(service, chosen, snapshot.now),
    });
  },
};

/** Orders of one attempt: an agent that died in the middle should not cost an operator's minutes. */
const MAX_ORDERS = 3;

const suffixOf = (phase: number): string | undefined => (phase <= 1 ? undefined : `again${phase}`);

function order(context: Context, target: MemberAt, phase: number): Effect {
  const suffix = suffixOf(phase);
  return sendRequest(context, {
    host: target.host,
    ...(suffix === undefined ? {} : { suffix }),
    act: {
      kind: 'promote',
      member: target.name,
      term: context.move.term,
      graceful: false,
      timeoutMs: PROMOTE_MS,
    },
  });
}

/**
 * It failed, or nobody knows. Seen not to lead after that, it is ordered again: the same member in the same term,
 * which harms nobody if the first order was carried out after all.
 */
function unclear(
  context: Context,
  service: ServiceAt,
  chosen: MemberAt,
  outcome: Pick<Outcome, 'state' | 'message'>,
): Step {
  const { phase } = context.progress;
  const code = `promotion-unclear-${phase}`;
  const since = waitsSince(context, code);
  const said = `${outcome.state === 'unknown' ? 'has an unknown end' : 'failed'}: ${outcome.message ?? 'no reason given'}`;
  const isSeen = since !== undefined && isSeenAfter(chosen, since);
  if (isSeen && phase < MAX_ORDERS)
    return {
      kind: 'go',
      phase: phase + 1,
      event: `the promotion of ${chosen.name} ${said}; it does not lead, so it is ordered again`,
      effects: [order(context, chosen, phase + 1)],
    };
  if (isSeen)
    return {
      kind: 'failed',
      reason: `the promotion of ${chosen.name} ${said}, ${MAX_ORDERS} times; look at it with: leafward why ${chosen.name}; resume to try again`,
    };
  return wait(context, {
    code,
    subject: chosen.name,
    message: `the promotion of ${chosen.name} ${said}; looks whether it leads`,
    timeoutMs: OUTCOME_MS,
    unblock: `look at its agent: leafward why ${chosen.host}`,
    evidence: evidenceOf(service, chosen, context.snapshot.now),
  });
}

const leadsWritable = ({ fact }: MemberAt): boolean =>
  fact?.container.state === 'running' &&
  fact.engine.active === true &&
  fact.engine.readOnly !== true;

/** Once an operation: a second attempt finds the term begun and only orders again. */
function beginTerm(context: Context, service: ServiceAt, chosen: string): readonly Effect[] {
  const { move, snapshot, operation } = context;
  const old = service.topology;
  if (old.term >= move.term) {
    assert(old.leader === chosen, `${old.leader} leads in term ${old.term} already (I1)`);
    return [];
  }
  const topology = failOver(old, chosen, {
    member: old.leader,
    term: move.term,
    at: snapshot.now,
    reason: `failed over to ${chosen} by ${operation.id}`,
  });
  const intents = service.members.flatMap((member): readonly HostedIntent[] =>
    member.intent === undefined
      ? []
      : [{ host: member.host, intent: inNewTerm(service, topology, member.name, member.intent) }],
  );
  return [{ kind: 'set-topology', topology }, ...setIntents(intents)];
}

function inNewTerm(
  service: ServiceAt,
  topology: Topology,
  member: string,
  old: MemberIntent,
): MemberIntent {
  const { leader, term } = topology;
  if (member === leader) return { ...old, role: 'leader', upstream: undefined, term };
  const isRetired = topology.retired.some((retirement) => retirement.member === member);
  if (!isRetired) return { ...old, term };
  // Retired ones are told who leads, so that even a start by hand would only mirror.
  const upstream = { member: leader, url: urlOf(service.declaration, leader) };
  return { ...old, run: 'retired', role: 'mirror', upstream, term: Math.max(term, old.term) };
}
