// The planned promotion, in which nothing is lost: the two members hand leadership over by themselves, or, where their
// kind has no way to, the leader is stopped first. Pure.
import { isAble } from '@leafward/shared/manifest/abilities.js';
import { downstreamsOf } from '@leafward/shared/topology.js';
import type { Goal } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { objectToInability, unable } from './able.js';
import { evidenceOf, unhealthyOf } from './diagnose.js';
import { expectedMs, judge, type Draft } from './draft.js';
import { memberOf, type ServiceAt } from './gather.js';
import { objectToCompany } from './scheduled.js';
import { objectToHandOver } from './safety.js';
import { isOlder } from './versions.js';
import { listed, renderDuration } from './words.js';

const ABILITIES = ['promote-gracefully', 'hand-over-by-stopping'] as const;

export function planPromote(
  snapshot: Snapshot,
  service: ServiceAt,
  goal: Extract<Goal, { kind: 'promote' }>,
): Draft {
  const { name, topology } = service;
  if (goal.to === topology.leader)
    return {
      services: [name],
      moves: [],
      gates: [],
      refusals: [],
      warnings: [],
      unchanged: [`${goal.to} leads ${name} already, in term ${topology.term}`],
    };
  const target = memberOf(service, goal.to);
  const inability = objectToInability(service, ABILITIES, 'hand leadership over');
  const byStopping = !isAble('promote-gracefully', service.declaration);
  const expected = expectedMs(snapshot, name, 'hand-over');
  if (inability.length > 0) return unable(name, inability);
  return {
    services: [name],
    ...judge([
      {
        name: 'alone',
        passed: `no other operation is going on on ${name}`,
        objections: objectToCompany(snapshot, name),
      },
      {
        name: 'ready to hand over',
        passed: `${goal.to} mirrors ${topology.leader} directly and is near it`,
        objections: objectToHandOver(snapshot, service, goal.to),
        evidence: target === undefined ? [] : evidenceOf(service, target, snapshot.now),
      },
    ]),
    warnings: [
      ...(byStopping ? [pauseOf(service, goal.to, expected)] : []),
      ...warningsOf(snapshot, service, goal.to),
    ],
    unchanged: downstreamsOf(topology, topology.leader)
      .filter((mirror) => mirror !== goal.to)
      .map((mirror) => `${mirror} goes on mirroring ${topology.leader}`),
    moves:
      target === undefined
        ? []
        : [
            {
              kind: 'hand-over',
              service: name,
              cause: byStopping
                ? `${topology.leader} is stopped, and comes back as a mirror of ${goal.to}`
                : `${topology.leader} ends as a mirror of ${goal.to}`,
              expectedMs: expected,
              from: topology.leader,
              to: goal.to,
              term: topology.term + 1,
              byStopping: byStopping ? true : undefined,
            },
          ],
    expectedDowntimeMs: expected,
  };
}

const pauseOf = ({ topology, declaration }: ServiceAt, to: string, expectedMs?: number): string =>
  `a ${declaration.kind} cannot pass leadership on while it runs: writes pause from the moment ${topology.leader} steps down until ${to} leads, ${expectedMs === undefined ? 'how long is not known before it was done once' : `about ${renderDuration(expectedMs)}`}; if ${to} does not reach its last position, ${topology.leader} is put back`;

function warningsOf(snapshot: Snapshot, service: ServiceAt, to: string): readonly string[] {
  const target = memberOf(service, to)?.fact?.engine.version;
  const others = unhealthyOf(snapshot, service)
    .map(({ member }) => member.name)
    .filter((name) => name !== to && name !== service.topology.leader);
  const older = service.members
    .filter((member) => !member.isRetired && isOlder(member.fact?.engine.version, target))
    .map((member) => member.name);
  return [
    ...(others.length === 0 ? [] : [`${listed(others)} cannot follow now: not healthy`]),
    ...(older.length === 0
      ? []
      : [
          `${to} is newer than ${listed(older)}: as leader it would be newer than its mirrors, which stop replicating until their own update (I3)`,
        ]),
  ];
}
