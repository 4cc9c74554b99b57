// The facts behind each wait, refusal and finding of a subject, with their ages and thresholds. Pure.
import type { Evidence, Explanation, Operation } from '@leafward/shared/gen/domain.js';
import type { HostState, Snapshot } from '../snapshot.js';
import { aliasFacts } from './alias.js';
import { explainAutomatic } from './automatic-explain.js';
import { diagnose, evidenceOf } from './diagnose.js';
import { divergenceFindings } from './divergence.js';
import { forecastFacts, forecastFindings } from './forecast-words.js';
import { halfUpdateLines } from '@leafward/shared/half-update.js';
import { backupsOf, gatherService, operationsOn, type MemberAt, type ServiceAt } from './gather.js';
import { provenFact } from './proven.js';
import { explainRebuild } from './rebuild-words.js';
import { objectToBackups, objectToStop } from './safety.js';
import { dutyFacts } from './scheduled.js';
import { isStack } from './stack.js';
import { hostProblems, serviceProblems } from './status.js';
import { evidence, plural, renderDuration, renderSize } from './words.js';

/**
 * Subject: a member, service, host or operation by its name; several when a name means several things. Empty:
 * nothing of that name is known (a plan explains itself, the controller asks its store).
 */
export function explain(snapshot: Snapshot, subject: string): readonly Explanation[] {
  const host = Object.hasOwn(snapshot.hosts, subject) ? snapshot.hosts[subject] : undefined;
  const service = gatherService(snapshot, subject);
  return [
    ...snapshot.operations.filter((operation) => operation.id === subject).map(explainOperation),
    ...explainRebuild(snapshot, subject),
    ...(service === undefined ? [] : explainService(snapshot, service)),
    ...explainMembers(snapshot, subject),
    ...(host === undefined ? [] : [explainHost(snapshot, host)]),
  ];
}

export function explainOperation(operation: Operation): Explanation {
  const done = operation.progress.filter((progress) => progress.state === 'done').length;
  const index = operation.progress.findIndex((progress) => progress.state !== 'done');
  const current = operation.progress[index];
  const move = operation.moves[index];
  const isPausedByOperator = operation.state === 'paused' && current?.state !== 'failed';
  const where = move === undefined ? '' : `, at ${move.id} (${move.kind}: ${move.cause})`;
  return {
    subject: operation.id,
    summary: `${operation.goal.kind} is ${operation.state}: ${done} of ${plural(operation.moves.length, 'move')} done${where}${operation.reason === undefined ? '' : `; ${operation.reason}`}`,
    facts: [
      ...(operation.goal.kind === 'failover' && operation.goal.automatic !== undefined
        ? [evidence('began by itself', operation.goal.automatic, { seenAt: operation.createdAt })]
        : []),
      ...(current?.begunAt === undefined
        ? []
        : [evidence('begun', `attempt ${current.attempt}`, { seenAt: current.begunAt })]),
      ...(operation.chosen === undefined
        ? []
        : [evidence('chosen', `${operation.chosen}: ${operation.chosenBecause ?? ''}`)]),
      ...halfUpdateLines(operation).map((text) => evidence('the update', text)),
    ],
    // What it waited for when an operator paused it may be over long ago.
    waits: isPausedByOperator || current?.wait === undefined ? [] : [current.wait],
    refusals:
      current?.state === 'failed'
        ? [
            {
              code: 'move-failed',
              subject: move?.id ?? operation.id,
              message: current.note ?? 'no reason given',
              unblock: `put it right, then: leafward operation resume ${operation.id}; or give up: leafward operation abort ${operation.id}`,
              evidence: current.wait?.evidence ?? [],
            },
          ]
        : [],
    findings: [],
  };
}

function explainService(snapshot: Snapshot, service: ServiceAt): readonly Explanation[] {
  const { topology, declaration } = service;
  const problems = serviceProblems(snapshot, service);
  const newest = backupsOf(snapshot, service.name)[0];
  const own: Explanation = {
    subject: service.name,
    summary: `${isStack(service) ? `${topology.leader} is the main process` : `${topology.leader} leads in term ${topology.term}`}; ${problems.length === 0 ? 'nothing is wrong with the service itself' : problems.join('; ')}`,
    facts: [
      evidence('term', topology.term),
      evidence('declared image', declaration.image),
      evidence(
        'newest backup',
        newest === undefined
          ? 'none'
          : `${newest.name} of ${newest.member}, ${renderSize(newest.sizeBytes)}, ${renderDuration(Math.max(0, snapshot.now - newest.finishedAt))} old`,
        {
          wanted: `≤ ${renderDuration(declaration.backup.maxAgeMs)} old`,
          seenAt: newest?.finishedAt,
        },
      ),
      provenFact(snapshot, service),
      ...dutyFacts(snapshot, service),
      ...aliasFacts(snapshot, service),
      ...topology.retired.map((retirement) =>
        evidence(
          `retired ${retirement.member}`,
          `at term ${retirement.term}: ${retirement.reason}`,
          { seenAt: retirement.at },
        ),
      ),
      ...hostsOf(snapshot, service).flatMap((host) => forecastFacts(snapshot, host, service.name)),
    ],
    waits: operationsOn(snapshot, service.name).flatMap((operation) =>
      operation.progress.flatMap((progress) => progress.wait ?? []),
    ),
    refusals: objectToBackups(snapshot, service),
    findings: hostsOf(snapshot, service).flatMap((host) =>
      forecastFindings(snapshot, host, service.name),
    ),
  };
  return [
    own,
    ...explainAutomatic(snapshot, service),
    ...service.members.map((member) => explainMember(snapshot, service, member)),
  ];
}

/** Where its members are. */
const hostsOf = (snapshot: Snapshot, { members }: ServiceAt): readonly HostState[] =>
  [...new Set(members.map(({ host }) => host))].flatMap((name) => snapshot.hosts[name] ?? []);

function explainMembers(snapshot: Snapshot, name: string): readonly Explanation[] {
  return Object.keys(snapshot.services).flatMap((serviceName) => {
    const service = gatherService(snapshot, serviceName);
    const member = service?.members.find((one) => one.name === name);
    return service === undefined || member === undefined
      ? []
      : [explainMember(snapshot, service, member)];
  });
}

function explainMember(snapshot: Snapshot, service: ServiceAt, member: MemberAt): Explanation {
  const { state, problems } = diagnose(service, member, snapshot.now);
  const { fact, intent } = member;
  const role = roleText(service, member);
  const retirement = service.topology.retired.find((each) => each.member === member.name);
  const wanted = `${role}, wanted ${intent?.run ?? 'nowhere'} on ${member.host}, is ${state}`;
  const told = problems.length === 0 ? '' : `: ${problems.join('; ')}`;
  const storage = fact?.storage;
  return {
    subject: member.name,
    summary: `${retirement === undefined ? wanted : retiredText(member, retirement)}${told}`,
    facts: [
      ...evidenceOf(service, member, snapshot.now),
      ...(fact?.activity === undefined ? [] : [evidence('agent is at', fact.activity)]),
      ...(fact?.permitLeftMs === undefined
        ? []
        : [
            evidence('permit left', renderDuration(Math.max(0, fact.permitLeftMs)), {
              wanted: '> 0',
              seenAt: member.receivedAt,
            }),
          ]),
      ...(storage?.freeBytes === undefined
        ? []
        : [evidence('free', renderSize(storage.freeBytes), { seenAt: member.receivedAt })]),
      ...(storage?.retiredAtTerm === undefined
        ? []
        : [
            evidence('storage says retired at term', storage.retiredAtTerm, {
              seenAt: member.receivedAt,
            }),
          ]),
      ...deprecationFacts(member),
      ...(fact === undefined
        ? []
        : [evidence('starts', fact.starts, { seenAt: member.receivedAt })]),
      ...(member.isRetired || intent?.run === 'retired'
        ? [
            evidence('starts since it was retired', fact?.startsSinceRetired, {
              wanted: '0',
              seenAt: member.receivedAt,
            }),
          ]
        : []),
    ],
    waits: fact?.waits ?? [],
    refusals: [
      ...(fact?.refusals ?? []),
      ...(member.isRetired || isStack(service) ? [] : objectToStop(snapshot, service, member.name)),
    ],
    findings: [
      ...divergenceFindings(service, member),
      ...(member.hostState?.findings ?? []).filter(
        (finding) => finding.subject === member.name || finding.subject === intent?.spec.storage,
      ),
    ],
  };
}

/** What its log has warned of since its container was made. */
function deprecationFacts({ fact }: MemberAt): readonly Evidence[] {
  const { deprecations = [], unlisted = 0 } = fact?.deprecations ?? {};
  return [
    ...deprecations.map(({ text, count, firstSeenAt, lastSeenAt }) =>
      evidence(
        'deprecated',
        `${text} (${plural(count, 'time')} in ${renderDuration(lastSeenAt - firstSeenAt)})`,
        { seenAt: lastSeenAt },
      ),
    ),
    ...(unlisted === 0 ? [] : [evidence('deprecated', `and ${plural(unlisted, 'other warning')}`)]),
  ];
}

function roleText(service: ServiceAt, { isLeader, upstream = 'nobody' }: MemberAt): string {
  if (isStack(service))
    return isLeader ? `main process of ${service.name}` : `worker behind ${upstream}`;
  return isLeader ? `leader of ${service.name}` : `mirror of ${upstream}`;
}

const retiredText = (
  member: MemberAt,
  { term, reason }: { readonly term: number; readonly reason: string },
): string =>
  `retired at term ${term} (${reason}); it stays down on ${member.host} and nothing starts from its storage (I2) until it is begun again: leafward plan reseed ${member.intent?.service ?? 'SERVICE'} ${member.name}`;

function explainHost(snapshot: Snapshot, host: HostState): Explanation {
  const problems = hostProblems(snapshot, host);
  const bad = [...host.findings, ...forecastFindings(snapshot, host)].filter(
    (finding) => finding.severity !== 'ok',
  );
  return {
    subject: host.name,
    summary:
      problems.length > 0
        ? problems.join('; ')
        : `connected, ${plural(bad.length, 'finding')} that ${bad.length === 1 ? 'is' : 'are'} not ok`,
    facts: [
      evidence('agent', host.connected ? 'connected' : 'not connected', {
        wanted: 'connected',
        seenAt: host.lastSeenAt,
      }),
      evidence('generation at the host', host.acceptedGeneration, {
        wanted: `≥ ${host.intent?.generation ?? 0}`,
        seenAt: host.lastSeenAt,
      }),
      ...(host.clockOffsetMs === undefined
        ? []
        : [
            evidence('clock offset', `${Math.round(host.clockOffsetMs)} ms`, {
              seenAt: host.lastSeenAt,
            }),
          ]),
      ...(host.fact === undefined ? [] : [evidence('agent version', host.fact.agentVersion)]),
      ...forecastFacts(snapshot, host),
    ],
    waits: Object.values(host.members).flatMap(({ value }) => value.waits),
    refusals: Object.values(host.members).flatMap(({ value }) => value.refusals),
    findings: bad,
  };
}
