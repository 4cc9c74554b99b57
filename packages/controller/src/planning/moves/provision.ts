// The place of a new member in its network, at the last moment before its first start: its registry gives a one-time URL,
// which goes to the member's host as a secret and is in no store. A URL that was lost on its way, or that an interrupted
// start has used up, is followed by another one.
import type { Outcome, Provision } from '@leafward/shared/gen/domain.js';
import { gatherService, type MemberAt, type ServiceAt } from '../gather.js';
import { OUTCOME_MS, PROVISION_MS } from '../thresholds.js';
import {
  hasTakenIntent,
  isSeenAfter,
  outcomeOf,
  requestId,
  sendRequest,
  wait,
  waitForHost,
  type MoveContext,
  type Step,
} from './move.js';

/** Each of them costs a start that was cut short; more is no accident any more. */
const MOST_URLS = 5;

interface Place {
  readonly service: ServiceAt;
  readonly member: MemberAt;
  readonly provision: Provision;
}

/** What is still to be done before it can start; undefined: nothing, or the agent is at it. Phase 1 is the caller's. */
export function provision(
  context: MoveContext,
  service: ServiceAt,
  member: MemberAt,
): Step | undefined {
  const wanted = member.intent?.provision;
  if (wanted === undefined) return undefined;
  const { phase, begunAt } = context.progress;
  const place = { service, member, provision: wanted };
  if (phase > 1) return phase % 2 === 0 ? watchIssue(context, place) : watchTake(context, place);
  const isKnown = hasTakenIntent(member) && isSeenAfter(member, begunAt);
  const isNeeded = isKnown && member.fact?.storage.provisioning === 'needed';
  return isNeeded ? ask(context, place, 1) : undefined;
}

/** The first one in phases 2 and 3, each further one two phases later. */
const numberOf = (phase: number): number => Math.floor(phase / 2);
const asking = (number: number): string => `url${number}`;
const giving = (number: number): string => `take${number}`;

function ask(context: MoveContext, place: Place, number: number): Step {
  const { member, provision: wanted } = place;
  if (number > MOST_URLS)
    return {
      kind: 'failed',
      reason: `${member.name} was given ${MOST_URLS} one-time URLs and has not started for good: look at its log, then resume`,
    };
  const registry = gatherService(context.snapshot, wanted.service)?.leader;
  if (registry === undefined)
    return {
      kind: 'failed',
      reason: `${wanted.service}, which provisions ${member.name}, is not deployed; deploy it, then resume`,
    };
  if (registry.hostState?.connected !== true) return waitForHost(context, registry);
  if (!registry.isFresh || registry.fact?.engine.active !== true)
    return wait(context, {
      code: 'registry-away',
      subject: registry.name,
      message: `${registry.name} gives ${member.name} its place, and it does not lead now`,
      timeoutMs: PROVISION_MS,
      unblock: `look at it with: leafward why ${registry.name}`,
    });
  return {
    kind: 'go',
    phase: 2 * number,
    event: `asks ${registry.name} for the one-time URL of ${wanted.name}${number === 1 ? '' : ', once more'}`,
    effects: [
      sendRequest(context, {
        host: registry.host,
        suffix: asking(number),
        act: {
          kind: 'provision-service',
          member: registry.name,
          term: registry.intent?.term ?? 0,
          network: wanted.network,
          name: wanted.name,
          ...placeOf(place),
        },
      }),
    ],
  };
}

/** A mirror of the leader follows the alias, so that it follows whoever leads; any other one follows its upstream. */
function placeOf({ service, member, provision: { alias } }: Place) {
  const { upstream, intent } = member;
  const { telepath, https } = intent?.spec.ports ?? {};
  const iden = service.leader?.fact?.engine.iden;
  return {
    mirror:
      upstream === undefined ? undefined : upstream === service.topology.leader ? alias : upstream,
    telepathPort: telepath,
    httpsPort: https,
    iden: upstream === undefined ? undefined : iden,
  };
}

function watchIssue(context: MoveContext, place: Place): Step {
  const number = numberOf(context.progress.phase);
  const outcome = outcomeOf(context, asking(number));
  const { member, service, provision: wanted } = place;
  if (outcome?.state === 'succeeded')
    return {
      kind: 'go',
      phase: 2 * number + 1,
      event: `gives ${member.name} its one-time URL`,
      effects: [
        sendRequest(context, {
          host: member.host,
          suffix: giving(number),
          act: {
            kind: 'take-provision',
            member: member.name,
            term: service.topology.term,
            secretFrom: requestId(context, asking(number)),
          },
        }),
      ],
    };
  if (outcome?.code === 'refused')
    return { kind: 'failed', reason: `${textOf(outcome)}; put it right, then resume` };
  if (isOver(outcome)) return ask(context, place, number + 1);
  return waits(context, place, `${wanted.service} is asked for its one-time URL`);
}

/** What the agent says afterwards counts: one that ended in between may have the URL, and may have started with it. */
function watchTake(context: MoveContext, place: Place): Step | undefined {
  const number = numberOf(context.progress.phase);
  const outcome = outcomeOf(context, giving(number));
  const { fact } = place.member;
  if (outcome === undefined || !isOver(outcome))
    return waits(context, place, 'it is given its one-time URL');
  // Both by the clock of its host.
  const isSince = (fact?.seenAt ?? 0) > (outcome.finishedAt ?? 0);
  if (!isSince)
    return outcome.state === 'succeeded'
      ? undefined
      : waits(context, place, `whether it has its one-time URL is looked at: ${textOf(outcome)}`);
  if (fact?.storage.provisioning !== 'needed') return undefined;
  if (outcome.code === 'refused')
    return { kind: 'failed', reason: `${textOf(outcome)}; put it right, then resume` };
  return ask(context, place, number + 1);
}

const isOver = (outcome: Outcome | undefined): boolean =>
  outcome !== undefined && outcome.state !== 'running';

const textOf = ({ message = 'no reason given' }: Outcome): string => message;

function waits(context: MoveContext, { member }: Place, what: string): Step {
  return wait(context, {
    code: 'provisioning',
    subject: member.name,
    message: `${member.name} has no place in its network yet: ${what}`,
    timeoutMs: PROVISION_MS + OUTCOME_MS,
    unblock: `wait; look at it with: leafward why ${member.name}`,
  });
}
