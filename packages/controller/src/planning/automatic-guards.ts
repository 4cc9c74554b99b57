// What forbids a failover that nobody ordered, whatever the leader's state: one row a reason, each with its code, its
// facts and what would change it. Pure.
import { leaseOf, untilFenced } from '@leafward/shared/lease.js';
import type { Snapshot } from '../snapshot.js';
import type { Cause } from './automatic-cause.js';
import { operationsOn, type ServiceAt } from './gather.js';
import { objectToOlderCopy } from './rebuild-words.js';
import { SETTLE_MS } from './thresholds.js';
import { evidence, listed, plural, renderDuration, type Objection } from './words.js';

interface Case {
  readonly snapshot: Snapshot;
  readonly service: ServiceAt;
  readonly cause: Cause;
}

type Guard = (given: Case) => Objection | undefined;

/** All that hold; the ones that an operator must know of first come first. */
export const guardsOf = (given: Case): readonly Objection[] =>
  GUARDS.flatMap((guard) => guard(given) ?? []);

const GUARDS: readonly Guard[] = [
  olderCopy,
  operationOpen,
  recoveryOpen,
  notToRun,
  stoppedOnPurpose,
  leaderMigrates,
  orderUnderWay,
  neverLed,
  justStarted,
  lostAgents,
];

/** Who leads by this store may have lost the leadership long ago. */
function olderCopy({ snapshot, service }: Case): Objection | undefined {
  const [objection] = objectToOlderCopy(snapshot, service.name);
  return objection;
}

/** Whatever is going on knows better: its moves stop and start members. */
function operationOpen({ snapshot, service }: Case): Objection | undefined {
  const [open] = operationsOn(snapshot, service.name);
  if (open === undefined) return undefined;
  return {
    code: 'operation-open',
    subject: service.name,
    message: `${open.id} (${open.goal.kind}) is ${open.state}: what it stops is no failure`,
    unblock: `let it end, or give it up: leafward operation abort ${open.id}`,
    evidence: [evidence('operation', open.state, { seenAt: open.createdAt })],
  };
}

/** What fails twice in a row has a cause that no failover cures. */
function recoveryOpen({ snapshot, service }: Case): Objection | undefined {
  const recovery = snapshot.services[service.name]?.automatic?.recovery;
  if (recovery === undefined) return undefined;
  const { operationId, from, to, at } = recovery;
  return {
    code: 'recovery-open',
    subject: service.name,
    message: `${service.name} was failed over by itself ${renderDuration(Math.max(0, snapshot.now - at))} ago, from ${from}${to === undefined ? '' : ` to ${to}`}, and nobody has acknowledged it`,
    unblock: `look at ${operationId}, then: leafward failover acknowledge ${service.name}; or wait until everybody has been healthy for 10 min`,
    evidence: [evidence('failover', operationId, { seenAt: at })],
  };
}

/** An operator's own stop, or an order that retires it. */
function notToRun({ cause: { leader } }: Case): Objection | undefined {
  const run = leader.intent?.run;
  if (run === 'running' && leader.intent?.role === 'leader') return undefined;
  return {
    code: 'not-to-run',
    subject: leader.name,
    message: `${leader.name} is not ordered to lead and to run (${run ?? 'no order'}): that it does not is no failure`,
    unblock: `an operator decides: leafward plan failover ${leader.intent?.service ?? 'SERVICE'}`,
    evidence: [
      evidence('order', `${run ?? 'none'}, ${leader.intent?.role ?? 'no role'}`, {
        wanted: 'running, leader',
      }),
    ],
  };
}

function stoppedOnPurpose({ cause: { kind, leader } }: Case): Objection | undefined {
  const death = leader.fact?.death;
  if (kind !== 'died' || death?.asked !== true) return undefined;
  return {
    code: 'stopped-on-purpose',
    subject: leader.name,
    message: `${leader.name} ended as one that was told to (${death.word}): somebody's own stop is no failure`,
    unblock: `wait: its agent starts it again; or an operator decides: leafward plan failover ${leader.intent?.service ?? 'SERVICE'}`,
    evidence: [evidence('it ended', death.word, { seenAt: leader.receivedAt })],
  };
}
/** Its mirrors may have migrated before it, or not yet: whose schema is right is not decided here. */
function leaderMigrates({ snapshot, service, cause: { leader } }: Case): Objection | undefined {
  const told = leader.fact?.engine.migrating;
  const isMigrating = snapshot.services[service.name]?.automatic?.memory?.isMigrating === true;
  if (told === undefined && !isMigrating) return undefined;
  return {
    code: 'leader-migrates',
    subject: leader.name,
    message: `${leader.name} was migrating its data when it was seen to run last`,
    unblock: `look at its log; an operator decides: leafward plan failover ${service.name}`,
    evidence: [evidence('migration', told ?? 'ran', { seenAt: leader.receivedAt })],
  };
}

/** Its agent may be making an older order true. */
function orderUnderWay({ cause: { kind, leader } }: Case): Objection | undefined {
  const { intent, acceptedGeneration, refusedIntent } = leader.hostState ?? {};
  if (kind !== 'died' || (intent !== undefined && acceptedGeneration === intent.generation))
    return undefined;
  return {
    code: 'order-under-way',
    subject: leader.host,
    message: `the agent of ${leader.host} has not taken its newest order yet${refusedIntent === undefined ? '' : `: ${refusedIntent}`}`,
    unblock: `wait for it, or look at it: leafward why ${leader.host}`,
    evidence: [
      evidence('generation at the host', acceptedGeneration, {
        wanted: String(intent?.generation ?? 'none'),
        seenAt: leader.hostState?.lastSeenAt,
      }),
    ],
  };
}

/** A first start that fails is no failure of a leader: nobody has anything that it could take over. */
function neverLed({ snapshot, service }: Case): Objection | undefined {
  const { term, leader } = service.topology;
  const ledTerm = snapshot.services[service.name]?.automatic?.ledTerm;
  if (ledTerm === term) return undefined;
  return {
    code: 'never-led',
    subject: leader,
    message: `${leader} was never seen to lead in term ${term}`,
    unblock: `get it to lead, or an operator decides: leafward plan failover ${service.name}`,
    evidence: [evidence('seen to lead in term', ledTerm, { wanted: String(term) })],
  };
}

/** After a start every agent is silent for a moment, and leases of the controller before may run. */
function justStarted({ snapshot }: Case): Objection | undefined {
  const { monotonicMs, aloneSinceMs } = snapshot;
  const neededMs = Math.max(SETTLE_MS, longestLease(snapshot));
  const runsMs =
    monotonicMs === undefined || aloneSinceMs === undefined ? 0 : monotonicMs - aloneSinceMs;
  if (runsMs >= neededMs) return undefined;
  return {
    code: 'just-started',
    subject: 'controller',
    message: `the controller has been here for ${renderDuration(Math.max(0, runsMs))} only: whoever is silent may just be on the way back`,
    unblock: `wait: it decides after ${renderDuration(neededMs)}`,
    evidence: [
      evidence('controller runs for', renderDuration(Math.max(0, runsMs)), {
        wanted: `≥ ${renderDuration(neededMs)}`,
      }),
    ],
  };
}

/** Of all that is declared and all that agents said they have. */
function longestLease({ services, hosts }: Snapshot): number {
  const declared = Object.values(services).map(({ declaration }) => {
    const { isolation } = declaration.failover;
    return isolation.onIsolation === 'stop'
      ? untilFenced(leaseOf(isolation, declaration.stopGraceMs))
      : 0;
  });
  const told = Object.values(hosts).flatMap(({ leases }) =>
    Object.values(leases?.members ?? {}).map(({ untilFencedMs }) => untilFencedMs),
  );
  return Math.max(0, ...declared, ...told);
}

/** Then it is the controller that is cut off. The leader's own host says nothing about that. */
function lostAgents({ snapshot, cause: { leader } }: Case): Objection | undefined {
  const others = Object.values(snapshot.hosts).filter(
    (host) => host.enrolled && !host.revoked && host.name !== leader.host,
  );
  const here = others.filter((host) => host.connected);
  if (others.length === 0 || here.length * 2 > others.length) return undefined;
  const gone = others.filter((host) => !host.connected).map(({ name }) => name);
  return {
    code: 'lost-agents',
    subject: 'controller',
    message: `${here.length} of ${plural(others.length, 'other host')} are connected: rather the controller is cut off than all of them down`,
    unblock: `bring the agents of more than half of the hosts back: ${listed(gone.slice(0, MOST_NAMED))}${gone.length > MOST_NAMED ? ' and others' : ''}`,
    evidence: [
      evidence('hosts connected', here.length, {
        wanted: `> ${others.length / 2} of ${others.length}`,
      }),
    ],
  };
}
const MOST_NAMED = 8;
