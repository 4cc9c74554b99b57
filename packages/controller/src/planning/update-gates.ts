// The gates before members are stopped one after another: shared by update and by deploys that change members.
// Pure; every judgement is safety.ts's.
import type { Evidence, Image, UpdateOptions } from '@leafward/shared/gen/domain.js';
import type { Rehearsal, Snapshot } from '../snapshot.js';
import { evidenceOf, standsStillBelow, unhealthyOf } from './diagnose.js';
import type { GateCheck } from './draft.js';
import { backupsOf, livingOf, type MemberAt, type ServiceAt } from './gather.js';
import {
  hasFailedDrill,
  objectToRehearsal,
  rehearsalFacts,
  rehearsalOf,
  rehearsalWarnings,
} from './proven.js';
import { objectToCompany } from './scheduled.js';
import {
  objectToBackups,
  objectToBootSpace,
  objectToDowngrade,
  objectToImageSpace,
  objectToSilence,
} from './safety.js';
import { evidence, listed, renderDuration, type Objection } from './words.js';

export interface StopGates {
  readonly checks: readonly GateCheck[];
  readonly warnings: readonly string[];
}

/** `stops`: members in the order in which they are stopped; `image`: their new one, if it changes. */
export function gatesBeforeStops(
  snapshot: Snapshot,
  service: ServiceAt,
  stops: readonly MemberAt[],
  image: Image | undefined,
  options?: Partial<UpdateOptions>,
): StopGates {
  const { name } = service;
  const ill = healthOf(snapshot, service, stops);
  const rehearsal = image === undefined ? undefined : rehearsalOf(snapshot, service, image);
  const imageChecks: readonly GateCheck[] =
    image === undefined
      ? []
      : [
          {
            name: 'backup',
            passed: service.declaration.update.requireBackup
              ? `${name} has a fresh, ${service.declaration.backup.requireDrill === true ? 'proven' : 'complete'} backup`
              : 'the policy asks for no backup',
            objections: objectToBackups(snapshot, service),
            evidence: [...backupEvidence(snapshot, service), ...rehearsalFacts(rehearsal)],
          },
          {
            name: 'version',
            passed:
              image.version === undefined
                ? 'the version of the image is not known before it is pulled'
                : `no member is newer than ${image.version}`,
            objections: inOne(stops.flatMap((member) => objectToDowngrade(member, image))),
          },
        ];
  const despite = options?.despiteRehearsal;
  return {
    warnings: [...ill.warnings, ...rehearsalWarnings(rehearsal, despite)],
    checks: [
      {
        name: 'alone',
        passed: `no other operation is going on on ${name}`,
        objections: objectToCompany(snapshot, name),
      },
      {
        name: 'connected',
        passed: `all members of ${name} are in sight`,
        objections: objectToSilence(service),
      },
      {
        name: 'health',
        passed: `${listed(livingOf(service).map((member) => member.name))} are up and near their leader`,
        objections: ill.objections,
        evidence: livingOf(service).flatMap((member) =>
          evidenceOf(service, member, snapshot.now)
            .filter((fact) => fact.name === 'lag')
            .map((fact) => ({ ...fact, name: `lag of ${member.name}` })),
        ),
      },
      {
        name: 'space',
        passed: 'every member would boot again',
        objections: stops.flatMap((member) => [
          ...objectToBootSpace(member),
          ...(image === undefined ? [] : objectToImageSpace(member, image)),
        ]),
      },
      ...imageChecks,
      ...(options === undefined || despite !== undefined ? [] : rehearsalGate(service, rehearsal)),
    ],
  };
}

/** Told only where a rehearsal is known; a deploy warns of one that failed. */
const rehearsalGate = (
  service: ServiceAt,
  rehearsal: Rehearsal | undefined,
): readonly GateCheck[] =>
  rehearsal === undefined
    ? []
    : [
        {
          name: 'rehearsal',
          passed: `a copy of backup ${rehearsal.backup} came up with this image`,
          objections: objectToRehearsal(service, rehearsal),
        },
      ];

/**
 * All must be healthy (I4), but one: the member that is stopped first may be ill, since the update may be its
 * cure and nobody else is touched before it is well. Silent ones are told by the gate `connected`.
 */
function healthOf(
  snapshot: Snapshot,
  service: ServiceAt,
  stops: readonly MemberAt[],
): { readonly objections: readonly Objection[]; readonly warnings: readonly string[] } {
  const ill = unhealthyOf(snapshot, service).filter(({ member }) => member.isFresh);
  const first = stops[0]?.name;
  const stopped = new Set(stops.map((member) => member.name));
  const above = ({ member }: (typeof ill)[number]): string | undefined =>
    standsStillBelow(service, member, snapshot.now);
  const isCured = (one: (typeof ill)[number]): boolean =>
    one.member.name === first ||
    (one.diagnosis.needsUpdate && stopped.has(one.member.name)) ||
    stopped.has(above(one) ?? '');
  return {
    warnings: ill
      .filter(isCured)
      .map((one) => ({ ...one, above: above(one) }))
      .map(({ member, diagnosis, above: waitsFor }) =>
        diagnosis.needsUpdate
          ? `${member.name} waits for its own update: its upstream is newer`
          : waitsFor !== undefined
            ? `${member.name} stands still until ${waitsFor} above it is updated`
            : `${member.name} is ${diagnosis.state}; it comes first, and nothing else is stopped before it is well (I4)`,
      ),
    objections: ill
      .filter((one) => !isCured(one))
      .map(({ member, diagnosis }) => ({
        code: 'member-unhealthy',
        subject: member.name,
        message: `${member.name} is ${diagnosis.state}${diagnosis.problems[0] === undefined ? '' : `: ${diagnosis.problems[0]}`} (I4)`,
        unblock: `get it healthy first; look at it with: leafward why ${member.name}`,
        evidence: evidenceOf(service, member, snapshot.now),
      })),
  };
}

/** The same thing of several members is said once. */
function inOne(objections: readonly Objection[]): readonly Objection[] {
  const [first, ...rest] = objections;
  if (first === undefined || rest.length === 0) return objections;
  return [
    {
      ...first,
      message: `${first.message}; the same holds for ${listed(rest.map((other) => other.subject))}`,
      evidence: objections.flatMap((objection) => objection.evidence),
    },
  ];
}

function backupEvidence(snapshot: Snapshot, service: ServiceAt): readonly Evidence[] {
  const newest = backupsOf(snapshot, service.name).find(
    (one) => one.verification?.ok !== false && !hasFailedDrill(one),
  );
  if (newest === undefined) return [];
  return [
    evidence('backup', `${newest.name} of ${newest.member}`),
    evidence('backup age', renderDuration(snapshot.now - newest.finishedAt), {
      wanted: `≤ ${renderDuration(service.declaration.backup.maxAgeMs)}`,
      seenAt: newest.finishedAt,
    }),
  ];
}
