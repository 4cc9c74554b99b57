// The graceful promotion: leadership is handed over by the two members themselves, nothing is lost. Pure.
import { downstreamsOf } from '@leafward/shared/topology.js';
import type { Goal } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { evidenceOf, unhealthyOf } from './diagnose.js';
import { expectedMs, judge, type Draft } from './draft.js';
import { memberOf, type ServiceAt } from './gather.js';
import { objectToHandOver, objectToOthers } from './safety.js';
import { isOlder } from './versions.js';
import { listed } from './words.js';

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
  const objections = objectToHandOver(snapshot, service, goal.to);
  return {
    services: [name],
    ...judge([
      {
        name: 'alone',
        passed: `no other operation is going on on ${name}`,
        objections: objectToOthers(snapshot, name, undefined),
      },
      {
        name: 'ready to hand over',
        passed: `${goal.to} mirrors ${topology.leader} directly and is near it`,
        objections,
        evidence: target === undefined ? [] : evidenceOf(service, target, snapshot.now),
      },
    ]),
    warnings: warningsOf(snapshot, service, goal.to),
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
              cause: `${topology.leader} ends as a mirror of ${goal.to}`,
              expectedMs: expectedMs(snapshot, name, 'hand-over'),
              from: topology.leader,
              to: goal.to,
              term: topology.term + 1,
            },
          ],
    expectedDowntimeMs: expectedMs(snapshot, name, 'hand-over'),
  };
}

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
