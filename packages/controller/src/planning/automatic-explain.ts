// Why a service was, or was not, failed over by itself, in words: for `why`, the status and the metrics. Pure.
import type { Explanation } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { assess, type Assessment } from './automatic.js';
import { isAutomatic } from './automatic-cause.js';
import { diagnose, evidenceOf } from './diagnose.js';
import { operationsOn, type ServiceAt } from './gather.js';
import { isStack } from './stack.js';
import { PROVEN_WELL_MS } from './thresholds.js';
import { evidence, renderDuration, type Objection } from './words.js';

/** Nothing for a service that an operator fails over, unless its leader is gone and somebody may wait in vain. */
export function explainAutomatic(snapshot: Snapshot, service: ServiceAt): readonly Explanation[] {
  const { leader, name } = service;
  if (isStack(service) || leader === undefined) return [];
  if (!isAutomatic(service)) return manualWord(snapshot, service);
  const assessed = assess(snapshot, service);
  const hangs = objectToHang(snapshot, service);
  const { recovery, memory } = snapshot.services[name]?.automatic ?? {};
  const wellMs = wellForMs(snapshot, memory?.healthySinceMs);
  return [
    {
      subject: `${name}, failover by itself`,
      summary: summaryOf(snapshot, service, assessed, hangs),
      facts: [
        ...(assessed?.cause.evidence ?? []),
        ...(recovery === undefined
          ? []
          : [
              evidence(
                'last one',
                `${recovery.operationId}, from ${recovery.from} to ${recovery.to ?? 'nobody yet'}`,
                { seenAt: recovery.at },
              ),
              evidence('everybody healthy for', renderDuration(wellMs), {
                wanted: `≥ ${renderDuration(PROVEN_WELL_MS)}`,
              }),
            ]),
      ],
      waits: [],
      refusals: [...(assessed?.objections ?? []), ...hangs],
      findings: [],
    },
  ];
}

const wellForMs = ({ monotonicMs }: Snapshot, sinceMs: number | undefined): number =>
  sinceMs === undefined || monotonicMs === undefined ? 0 : Math.max(0, monotonicMs - sinceMs);

function summaryOf(
  snapshot: Snapshot,
  service: ServiceAt,
  assessed: Assessment | undefined,
  hangs: readonly Objection[],
): string {
  const own = ownOperation(snapshot, service);
  if (own?.goal.kind === 'failover')
    return `${own.id} is ${own.state}; it began because ${own.goal.automatic ?? ''}`;
  if (assessed === undefined)
    return hangs.length > 0
      ? 'nothing begins: neither does an agent say that the leader died, nor is its host silent'
      : 'nothing has failed';
  const { cause, objections } = assessed;
  const [first] = objections;
  if (first === undefined) return `it begins now: ${cause.text}`;
  return first.message.startsWith(cause.text)
    ? `it does not begin: ${first.message}`
    : `it does not begin although ${cause.text}: ${first.message}`;
}

/** The failover that the controller began here and that is going on. */
const ownOperation = (snapshot: Snapshot, { name }: ServiceAt) =>
  operationsOn(snapshot, name).find(
    ({ goal }) => goal.kind === 'failover' && goal.automatic !== undefined,
  );

function manualWord(snapshot: Snapshot, service: ServiceAt): readonly Explanation[] {
  const { leader, name } = service;
  if (leader === undefined || operationsOn(snapshot, name).length > 0) return [];
  const { state } = diagnose(service, leader, snapshot.now);
  if (state !== 'down' && state !== 'silent') return [];
  return [
    {
      subject: `${name}, failover by itself`,
      summary: `nobody acts alone here (failover.mode: manual): ${leader.name} is ${state}, and an operator decides: leafward plan failover ${name}`,
      facts: [],
      waits: [],
      refusals: [],
      findings: [],
    },
  ];
}

/** It runs, its agent is well, and it says nothing: that is no death. */
function objectToHang(snapshot: Snapshot, service: ServiceAt): readonly Objection[] {
  const { leader, name } = service;
  if (leader?.isFresh !== true || leader.fact?.container.state !== 'running') return [];
  if (diagnose(service, leader, snapshot.now).state !== 'down') return [];
  return [
    {
      code: 'leader-hangs',
      subject: leader.name,
      message: `${leader.name} runs and does not do its work, which its agent does not call a death: that is an operator's decision`,
      unblock: `look at it: leafward why ${leader.name}; if it is lost: leafward plan failover ${name}`,
      evidence: evidenceOf(service, leader, snapshot.now),
    },
  ];
}

/** For the status: what forbids a failover that would otherwise begin, and one that nobody has looked at. */
export function automaticProblems(snapshot: Snapshot, service: ServiceAt): readonly string[] {
  if (ownOperation(snapshot, service) !== undefined) return [];
  const first = forbidden(snapshot, service)[0];
  const { recovery } = snapshot.services[service.name]?.automatic ?? {};
  return [
    ...(first === undefined
      ? []
      : [`not failed over by itself: ${first.message} [${first.code}]; ${first.unblock}`]),
    ...(recovery === undefined || first?.code === 'recovery-open'
      ? []
      : [
          `it was failed over by itself (${recovery.operationId}), from ${recovery.from} to ${recovery.to ?? 'nobody yet'}; when you have looked at it: leafward failover acknowledge ${service.name}`,
        ]),
  ];
}

/** What stands against a failover by itself while there is a cause for one. */
export const forbidden = (snapshot: Snapshot, service: ServiceAt): readonly Objection[] =>
  assess(snapshot, service)?.objections ?? [];
