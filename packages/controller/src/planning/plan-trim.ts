// Cuts what every mirror has already from the leader's log. Only with the complete list of mirrors, all of them present
// and caught up (I8): who is not named and still reads what is cut never comes back. Pure.
import { leafsFirst } from '@leafward/shared/topology.js';
import type { Snapshot } from '../snapshot.js';
import { unable } from './able.js';
import { diagnose, evidenceOf } from './diagnose.js';
import { expectedMs, judge, type Draft } from './draft.js';
import { livingOf, memberOf, urlOf, type MemberAt, type ServiceAt } from './gather.js';
import { objectToSilence } from './safety.js';
import { objectToCompany } from './scheduled.js';
import { evidence, listed, type Objection } from './words.js';

export function planTrim(snapshot: Snapshot, service: ServiceAt): Draft {
  const { name, topology, leader } = service;
  if (service.declaration.kind !== 'synapse') return unable(name, [noLog(service)]);
  const mirrors = mirrorsOf(service);
  return {
    services: [name],
    warnings: [
      'a mirror that comes back later from a backup older than this cut can only be begun again: leafward plan reseed',
    ],
    unchanged: [],
    expectedDowntimeMs: 0,
    ...judge([
      {
        name: 'alone',
        passed: `no other operation and no backup is going on on ${name}`,
        objections: [...objectToCompany(snapshot, name), ...objectToActivity(service)],
      },
      {
        name: 'connected',
        passed: `all members of ${name} are in sight`,
        objections: objectToSilence(service),
      },
      {
        name: 'mirrors',
        passed: `${listed(mirrors.map((mirror) => mirror.name))} read the log: all present and caught up (I8)`,
        objections: objectToReaders(snapshot, service),
        evidence: livingOf(service).flatMap((member) =>
          member.fact?.engine.position === undefined
            ? []
            : [
                ...(member.isLeader
                  ? []
                  : [evidence(`url of ${member.name}`, urlOf(service.declaration, member.name))]),
                ...evidenceOf(service, member, snapshot.now)
                  .filter((fact) => fact.name === 'lag')
                  .map((fact) => ({ ...fact, name: `lag of ${member.name}` })),
              ],
        ),
      },
    ]),
    moves:
      leader === undefined
        ? []
        : [
            {
              kind: 'trim',
              service: name,
              cause: 'every mirror has what is cut',
              expectedMs: expectedMs(snapshot, name, 'trim'),
              member: topology.leader,
              host: leader.host,
              mirrors: mirrors.map((mirror) => mirror.name),
            },
          ],
  };
}

/** Everybody who reads the log, from the deepest; in the order of the tree, so that one tree gives one plan. */
export const mirrorsOf = (service: ServiceAt): readonly MemberAt[] =>
  leafsFirst(service.topology).flatMap((name) => {
    const member = memberOf(service, name);
    return member === undefined || member.isLeader ? [] : [member];
  });

/** I8: the list is complete, and each of them answers, follows and has caught up. */
export function objectToReaders(snapshot: Snapshot, service: ServiceAt): readonly Objection[] {
  const mirrors = mirrorsOf(service);
  if (mirrors.length === 0) return [noMirrors(service)];
  return livingOf(service).flatMap((member): readonly Objection[] => {
    // Silence is another gate's business.
    if (!member.isFresh) return [];
    const { isHealthy, state, problems } = diagnose(service, member, snapshot.now);
    const facts = evidenceOf(service, member, snapshot.now);
    if (!isHealthy)
      return [
        {
          code: 'reader-unfit',
          subject: member.name,
          message: `${member.name} is ${state}${problems[0] === undefined ? '' : `: ${problems[0]}`}; what is cut now could be what it still needs (I8)`,
          unblock: `get it healthy, or begin it again: leafward why ${member.name}`,
          evidence: facts,
        },
      ];
    if (!member.isLeader && urlOf(service.declaration, member.name) === '')
      return [noUrl(service, member)];
    return [];
  });
}

/** Not told as an operation: what its agent is at by itself, or at another operator's word. */
function objectToActivity(service: ServiceAt): readonly Objection[] {
  return livingOf(service).flatMap((member): readonly Objection[] => {
    const activity = member.isFresh ? member.fact?.activity : undefined;
    if (activity === undefined) return [];
    return [
      {
        code: 'member-busy',
        subject: member.name,
        message: `the agent of ${member.host} is at work on ${member.name}: ${activity} (I10)`,
        unblock: 'let it end',
        evidence: [evidence('activity', activity, { seenAt: member.receivedAt })],
      },
    ];
  });
}

const noLog = ({ name, declaration }: ServiceAt): Objection => ({
  code: 'kind-cannot',
  subject: name,
  message: `${name} is of kind ${declaration.kind}: the only log that Leafward can trim is that of a Synapse service`,
  unblock: 'trim it as its own guide says',
  evidence: [],
});

const noMirrors = ({ name, topology }: ServiceAt): Objection => ({
  code: 'no-mirrors',
  subject: name,
  message: `${name} has no mirror that could be named, and a log is never trimmed without naming its readers (I8)`,
  unblock: `if nobody reads it for certain, trim it by hand in Storm on ${topology.leader}: $lib.cell.trimNexsLog()`,
  evidence: [],
});

const noUrl = ({ name }: ServiceAt, member: MemberAt): Objection => ({
  code: 'no-reader-url',
  subject: member.name,
  message: `under which URL the leader of ${name} finds ${member.name} is not known`,
  unblock: `write upstreamUrl into the manifest for ${name}, deploy, and plan again`,
  evidence: [],
});
