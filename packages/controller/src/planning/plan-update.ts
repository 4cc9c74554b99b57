// The leafs-first update: the image on every host before anything stops, then member by member from the deepest,
// the leader last (I3). Pure.
import { leafsFirst } from '@leafward/shared/topology.js';
import type { Goal, Image, ServiceOutlook, UpdateOptions } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { unable } from './able.js';
import { withDifferences } from './adopt.js';
import { changesBetween } from './changes.js';
import {
  emptyDraft,
  expectedMs,
  judge,
  type Draft,
  type DraftMove,
  type GateCheck,
} from './draft.js';
import { memberOf, versionOf, type MemberAt, type ServiceAt } from './gather.js';
import { lowDowntimeWarnings, planLowDowntime } from './low-downtime.js';
import { planStackUpdate } from './plan-stack.js';
import { rehearsalOf } from './proven.js';
import { pullMove, unknownVersion } from './pull-move.js';
import { crossingOf, flagDayGate, notesBetween, notesWarnings } from './release-notes.js';
import { objectToOtherHistory } from './safety.js';
import { isStack } from './stack.js';
import { gatesBeforeStops } from './update-gates.js';
import { outlookOf } from './update-outlook.js';
import { imageName, shortDigest, type Objection } from './words.js';

export function planUpdate(
  snapshot: Snapshot,
  service: ServiceAt,
  goal: Extract<Goal, { kind: 'update' }>,
): Draft {
  const { name } = service;
  const image = goal.resolved;
  if (image === undefined)
    return { ...emptyDraft, services: [name], refusals: [notResolved(goal)] };
  if (isStack(service)) {
    if (goal.options?.strategy === 'low-downtime') return unable(name, [noTree(service, image)]);
    return planStackUpdate(snapshot, service, { ...goal, resolved: image });
  }
  const order = inUpdateOrder(service);
  const stops = order.filter((member) => member.intent?.spec.image.digest !== image.digest);
  const unchanged = order
    .filter((member) => !stops.includes(member))
    .map(
      (member) => `${member.name} has ${imageName(image)} (${shortDigest(image.digest)}) already`,
    );
  if (stops.length === 0) return { ...emptyDraft, services: [name], unchanged };
  return planTreeUpdate(snapshot, service, {
    image,
    stops,
    unchanged,
    options: goal.options ?? {},
  });
}

interface TreeUpdate {
  readonly image: Image;
  /** In the order in which they are stopped. */
  readonly stops: readonly MemberAt[];
  readonly unchanged: readonly string[];
  readonly options: Partial<UpdateOptions>;
}

function planTreeUpdate(
  snapshot: Snapshot,
  service: ServiceAt,
  { image, stops, unchanged, options }: TreeUpdate,
): Draft {
  const { name } = service;
  const gates = gatesBeforeStops(snapshot, service, stops, image, options);
  const crossing = crossingOf(stops, image);
  const notes = notesBetween(options.notes, crossing);
  const low = isLowDowntime(service, stops, options)
    ? planLowDowntime(snapshot, service, image)
    : undefined;
  const outlook = outlookOf(snapshot, service, {
    strategy: low === undefined ? 'leafs-first' : 'low-downtime',
    rehearsal: rehearsalOf(snapshot, service, image),
    notes,
    fromVersion: crossing.from,
    left: imageLeft(stops, image),
    handOverTo: low?.handOver?.to,
  });
  return {
    services: [name],
    ...judge([
      ...gates.checks,
      ...historyGate(stops),
      ...flagDayGate(notes, options),
      ...(low === undefined ? [] : [low.check]),
    ]),
    warnings: [
      ...gates.warnings,
      ...unknownVersion(image),
      ...notesWarnings(options.notes, crossing),
      ...(low?.handOver === undefined
        ? []
        : lowDowntimeWarnings(service, low.handOver.to, outlook.withoutMirrorMs)),
    ],
    unchanged: [...unchanged, ...retiredOnes(service)],
    moves: [
      pullMove(
        snapshot,
        service,
        stops.map((member) => member.host),
        image,
      ),
      ...stops.flatMap((member) => [
        ...(member.isLeader && low?.handOver !== undefined ? [low.handOver.move] : []),
        ...(recreateMove(snapshot, service, member, { image, outlook }) ?? []),
      ]),
    ],
    expectedDowntimeMs: low === undefined ? outlook.leaderRestartMs : outlook.handOverMs,
    outlooks: [outlook],
  };
}

/** Undefined where the way back could not name it: a tag that has moved means the new one. */
function imageLeft(stops: readonly MemberAt[], { reference }: Image): Image | undefined {
  const left = (stops.find((member) => member.isLeader) ?? stops[0])?.intent?.spec.image;
  return left?.reference === reference ? undefined : left;
}

const notResolved = ({ service, image }: Extract<Goal, { kind: 'update' }>): Objection => ({
  code: 'image-unknown',
  subject: service,
  message: `what ${image} means is not known: no host could resolve it`,
  unblock: 'connect a host of the service and plan again',
  evidence: [],
});

/** Only for the leader's sake: without it among those that are stopped nothing pauses. */
const isLowDowntime = (
  { declaration, leader }: ServiceAt,
  stops: readonly MemberAt[],
  { strategy }: Partial<UpdateOptions>,
): boolean =>
  (strategy ?? declaration.update.strategy) === 'low-downtime' &&
  stops.some((member) => member.name === leader?.name);

const noTree = ({ name }: ServiceAt, image: Image): Objection => ({
  code: 'no-low-downtime',
  subject: name,
  message: `${name} is a stack, which has no mirror that could take over`,
  unblock: `update it as a whole: leafward plan update ${name} --image ${image.reference}`,
  evidence: [],
});

/** Told only where it objects: few services have ever had a member of another history. */
function historyGate(stops: readonly MemberAt[]): readonly GateCheck[] {
  const objections = stops.flatMap((member) => objectToOtherHistory(member));
  return objections.length === 0 ? [] : [{ name: 'history', passed: '', objections }];
}

/** Deepest first, leader last. */
export const inUpdateOrder = (service: ServiceAt): readonly MemberAt[] =>
  leafsFirst(service.topology).flatMap((name) => {
    const member = memberOf(service, name);
    return member?.intent === undefined ? [] : [member];
  });

export const retiredOnes = (service: ServiceAt): readonly string[] =>
  service.topology.retired.map(
    ({ member, term }) => `${member} is retired since term ${term}; it stays as it is (I2)`,
  );

function recreateMove(
  snapshot: Snapshot,
  service: ServiceAt,
  member: MemberAt,
  { image, outlook }: { readonly image: Image; readonly outlook: ServiceOutlook },
): readonly DraftMove[] | undefined {
  if (member.intent === undefined) return undefined;
  const spec = { ...member.intent.spec, image };
  const isOldLeader = member.isLeader && outlook.handOverTo !== undefined;
  return [
    {
      kind: 'recreate',
      service: service.name,
      cause: isOldLeader
        ? `the old leader, as a mirror of ${outlook.handOverTo ?? ''}`
        : placeInTree(service, member),
      expectedMs:
        outlook.rehearsal?.ok === true
          ? outlook.leaderRestartMs
          : expectedMs(snapshot, service.name, 'recreate'),
      member: member.name,
      host: member.host,
      spec,
      changes: withDifferences(member, changesBetween(member.intent.spec, spec)),
      fromVersion: versionOf(member),
    },
  ];
}

/** Why it is this one's turn. */
export function placeInTree(service: ServiceAt, member: MemberAt): string {
  if (member.isLeader) return service.members.length === 1 ? 'the only member' : 'the leader, last';
  const hasMirrors = Object.values(service.topology.upstreams).includes(member.name);
  const where = `depth ${member.depth}`;
  return hasMirrors ? `${where}, its mirrors are done` : `${where}, a leaf`;
}
