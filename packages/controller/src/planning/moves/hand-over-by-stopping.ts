// A hand-over where the service cannot pass leadership on by itself: the leader steps down and is stopped, its mirror
// reaches its last position, and only then does the new term begin. Before that every failure and every abort puts the
// old leader back; after that nothing ever does. Nobody leads in between, and nobody can lead twice (I1).
import { handOver as handOverTree } from '@leafward/shared/topology.js';
import { evidenceOf } from '../diagnose.js';
import type { Effect } from '../effects.js';
import { livingOf, memberOf, type MemberAt, type ServiceAt } from '../gather.js';
import { retreed, setIntents, type HostedIntent } from '../intents.js';
import { OUTCOME_MS, PROMOTE_MS, STEP_DOWN_MS } from '../thresholds.js';
import { evidence } from '../words.js';
import { giveOrder, leadsWritable, watchOrder, type ForcedOrder } from './forced-order.js';
import { happened, isActive, isHandedOver, settled } from './handed-over.js';
import {
  isSeenAfter,
  outcomeOf,
  sendRequest,
  wait,
  waitsSince,
  type MoveContext,
  type MoveOf,
  type Step,
} from './move.js';
import { settle } from './settle.js';
import { isStopped, waitUntilStopped } from './stopped.js';

type Context = MoveContext<MoveOf<'hand-over'>>;

/** 4 to 6: the order to promote, given up to three times. */
const PHASE = {
  steppingDown: 1,
  stopping: 2,
  reaching: 3,
  promoting: 4,
  settling: 7,
  stoppingAgain: 8,
  startingAgain: 9,
} as const;

export function beginByStopping(context: Context, service: ServiceAt, target: MemberAt): Step {
  const { move } = context;
  const { term, leader } = service.topology;
  // An earlier attempt has begun the term: from there on the only way is forward.
  if (term === move.term && leader === move.to)
    return leadsWritable(target) && target.isFresh
      ? follow(context, service)
      : {
          kind: 'go',
          phase: PHASE.promoting,
          event: `orders ${move.to} once more to lead in term ${move.term}`,
          effects: [giveOrder(context, orderFor(context, target))],
        };
  if (isHandedOver(service, move)) return happened(context, service, PHASE.settling);
  const from = memberOf(service, move.from);
  if (from === undefined)
    return { kind: 'failed', reason: `${move.from} is not known any more; plan again` };
  return {
    kind: 'go',
    phase: PHASE.steppingDown,
    event: `asks ${move.from} to take no more writes`,
    effects: [stepDown(context, from)],
    progress: { runIdBefore: runMark(from), targetPosition: undefined },
  };
}

/** Not begun later than that: one that was put back must not be fenced by an order of an attempt that is over. */
function stepDown(context: Context, from: MemberAt): Effect {
  const effect = sendRequest(context, {
    host: from.host,
    act: {
      kind: 'step-down',
      member: from.name,
      term: from.intent?.term ?? context.move.term - 1,
      timeoutMs: STEP_DOWN_MS,
    },
  });
  if (effect.kind !== 'send-request') return effect;
  const expiresAt = context.snapshot.now + STEP_DOWN_MS;
  return { ...effect, request: { ...effect.request, expiresAt } };
}

/** Changes when it is started: whatever was told to the program before is forgotten then. */
const runMark = (member: MemberAt): string => `starts ${member.fact?.starts ?? 0}`;

export function checkByStopping(context: Context, service: ServiceAt): Step {
  const { move, progress, operation } = context;
  const from = memberOf(service, move.from);
  const to = memberOf(service, move.to);
  if (from === undefined || to === undefined)
    return {
      kind: 'failed',
      reason: 'a member of this hand-over is not known any more; plan again',
    };
  const pair = { service, from, to };
  switch (progress.phase) {
    case PHASE.steppingDown:
      return steppedDown(context, pair);
    case PHASE.stopping:
    case PHASE.reaching: {
      if (operation.abortRequested)
        return putBack(pair, `it was aborted: ${operation.reason ?? ''}`);
      const isStopping = progress.phase === PHASE.stopping;
      const step = isStopping ? stopped(context, pair) : reached(context, pair);
      return step.kind === 'failed' ? putBack(pair, step.reason) : step;
    }
    case PHASE.settling:
      return settled(context, service);
    case PHASE.stoppingAgain:
      return stoppedAgain(context, pair);
    case PHASE.startingAgain:
      return startedAgain(context, pair);
    default:
      return watchOrder(context, service, orderFor(context, to)) ?? follow(context, service);
  }
}

interface Pair {
  readonly service: ServiceAt;
  readonly from: MemberAt;
  readonly to: MemberAt;
}

const orderFor = (context: Context, target: MemberAt): ForcedOrder => ({
  target,
  term: context.move.term,
  firstPhase: PHASE.promoting,
  name: 'promote',
});

/** Whatever the answer, it is stopped next: that alone is certain, and a position that was told stays true. */
function steppedDown(context: Context, pair: Pair): Step {
  const { from, service } = pair;
  const outcome = outcomeOf(context);
  if (outcome?.state === 'refused')
    return {
      kind: 'failed',
      reason: `the agent of ${from.host} refused to let ${from.name} step down: ${outcome.message ?? 'no reason given'}; nothing has changed`,
    };
  if (outcome !== undefined && outcome.state !== 'running')
    return {
      kind: 'go',
      phase: PHASE.stopping,
      event: `${from.name} ${outcome.position === undefined ? 'cannot be fenced while it runs' : `takes no more writes from position ${outcome.position} on`}; stops it`,
      effects: stop(from),
      progress: { targetPosition: outcome.position },
    };
  const step = wait(context, {
    code: 'stepping-down',
    subject: from.name,
    message: `${from.name} is asked to take no more writes`,
    timeoutMs: 2 * STEP_DOWN_MS + OUTCOME_MS,
    unblock: `look at its agent: leafward why ${from.host}; after that ${from.name} goes on leading`,
    evidence: evidenceOf(service, from, context.snapshot.now),
  });
  return step.kind === 'failed' ? putBack(pair, step.reason) : step;
}

const stop = ({ host, intent }: MemberAt): readonly Effect[] =>
  intent === undefined ? [] : setIntents([{ host, intent: { ...intent, run: 'stopped' } }]);

/** How far its log goes decides what its successor must have; without that figure nobody succeeds it. */
function stopped(context: Context, { service, from, to }: Pair): Step {
  const open = waitUntilStopped(context, service, from, context.progress.begunAt);
  if (open !== undefined) return open;
  const last = lastPosition(context, from);
  if (last !== undefined)
    return {
      kind: 'go',
      phase: PHASE.reaching,
      event: `${from.name} is stopped at position ${last}; ${to.name} must reach it`,
      effects: [],
      progress: { targetPosition: last },
    };
  return wait(context, {
    code: 'last-position',
    subject: from.name,
    message: `how far the log of ${from.name} goes is not known`,
    timeoutMs: OUTCOME_MS,
    unblock: `its agent must read it from the stopped storage: leafward why ${from.name}`,
    evidence: [
      evidence('position in its storage', from.fact?.storage.position, {
        seenAt: from.receivedAt,
      }),
      evidence('run', runMark(from), { wanted: context.progress.runIdBefore }),
    ],
  });
}

/** What it told when it stepped down, unless it was started since: then it may have taken more. */
function lastPosition({ progress }: Context, from: MemberAt): number | undefined {
  const told = progress.targetPosition;
  const stored = from.fact?.storage.position;
  if (runMark(from) === progress.runIdBefore) return told ?? stored;
  return stored;
}

function reached(context: Context, pair: Pair): Step {
  const { service, from, to } = pair;
  const { snapshot, progress, move } = context;
  const last = progress.targetPosition ?? Infinity;
  if (from.isFresh && !isStopped(from)) return wait(context, runsAgain(context, pair));
  const since = waitsSince(context, 'reaching');
  if (since !== undefined && isSeenAfter(to, since)) {
    if (isActive(to))
      return {
        kind: 'failed',
        reason: `${to.name} leads already, without an order`,
      };
    const position = to.fact?.engine.answered === true ? to.fact.engine.position : undefined;
    if (position !== undefined && position >= last) return beginTerm(context, pair);
  }
  return wait(context, {
    code: 'reaching',
    subject: to.name,
    message: `${to.name} must reach ${last}, the last position of ${from.name}`,
    timeoutMs: PROMOTE_MS,
    unblock: `wait; if it does not, ${move.from} is put back`,
    evidence: evidenceOf(service, to, snapshot.now),
  });
}

const runsAgain = (context: Context, { service, from }: Pair) => ({
  code: 'stopping',
  subject: from.name,
  message: `${from.name} is ${from.fact?.container.state ?? 'not seen'} again although it shall be stopped`,
  timeoutMs: PROMOTE_MS,
  unblock: `nobody is promoted beside it (I1); look at it: leafward why ${from.name}`,
  evidence: evidenceOf(service, from, context.snapshot.now),
});

/** The point of no return: tree, term and intents are committed together with the order to promote. */
function beginTerm(context: Context, { service, from, to }: Pair): Step {
  const { move } = context;
  const topology = handOverTree(service.topology, move.to, move.term);
  const intents = livingOf(service).flatMap((member): readonly HostedIntent[] => {
    if (member.intent === undefined) return [];
    const intent = retreed(service, topology, member.name);
    // It comes back once its successor is seen to lead.
    return [
      { host: member.host, intent: member === from ? { ...intent, run: 'stopped' } : intent },
    ];
  });
  return {
    kind: 'go',
    phase: PHASE.promoting,
    event: `${to.name} has all of it: term ${move.term} begins, and it is promoted`,
    effects: [
      { kind: 'set-topology', topology },
      ...setIntents(intents),
      giveOrder(context, orderFor(context, to)),
    ],
  };
}

/** The new one leads: the old one comes back as its mirror. */
function follow(context: Context, service: ServiceAt): Step {
  const { move } = context;
  const from = memberOf(service, move.from);
  return {
    kind: 'go',
    phase: PHASE.settling,
    event: `${move.to} leads ${move.service} in term ${move.term}; ${move.from} starts as its mirror`,
    effects:
      from?.intent === undefined
        ? []
        : setIntents([{ host: from.host, intent: { ...from.intent, run: 'running' } }]),
  };
}

/** Only a restart takes a fence away, so it is seen stopped first. The reason is kept beside the move meanwhile. */
function putBack({ from, to }: Pair, why: string): Step {
  // It leads: then nobody may lead beside it, and an operator decides.
  if (isActive(to))
    return {
      kind: 'failed',
      reason: `${why}; ${from.name} stays stopped, since ${to.name} says that it leads (I1); look at both: leafward why ${to.name}`,
    };
  return {
    kind: 'go',
    phase: PHASE.stoppingAgain,
    event: `${from.name} is put back: ${why}`,
    effects: from.intent?.run === 'stopped' ? [] : stop(from),
    progress: { note: why },
  };
}

function stoppedAgain(context: Context, { service, from }: Pair): Step {
  const open = waitUntilStopped(context, service, from, context.progress.begunAt);
  if (open?.kind === 'wait') return open;
  return {
    kind: 'go',
    phase: PHASE.startingAgain,
    event: `starts ${from.name} again, in its old term`,
    effects:
      from.intent === undefined
        ? []
        : setIntents([{ host: from.host, intent: { ...from.intent, run: 'running' } }]),
  };
}

function startedAgain(context: Context, { service, from }: Pair): Step {
  const why = context.progress.note ?? 'it did not work out';
  const open = settle(context, service, { member: from.name, role: 'leader' });
  if (open?.kind === 'wait') return open;
  return {
    kind: 'failed',
    reason:
      open?.kind === 'failed'
        ? `${why}; and ${from.name} was put back and does not lead again: ${open.reason}`
        : `${why}; ${from.name} was put back and leads as before, nothing else has changed; resume to try again, or abort`,
  };
}
