// The whole of a stack goes down and comes up again: workers in their order, then the main process; the main process
// with the new version until its migration is over and it answers, then its workers one after another. Pure.
import type { Goal, Image, MemberSpec } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { changesBetween } from './changes.js';
import { databaseOf, withDatabase } from './database.js';
import { unhealthyOf } from './diagnose.js';
import { expectedMs, judge, type Draft, type DraftMove, type GateCheck } from './draft.js';
import type { MemberAt, ServiceAt } from './gather.js';
import { haltOrder } from './halt-order.js';
import { pullMove, unknownVersion } from './pull-move.js';
import { exceptionsBetween } from './release-exceptions.js';
import { objectToBusyDatabase } from './safety.js';
import { objectToWorkerStart, workersOf } from './stack.js';
import { gatesBeforeStops, type StopGates } from './update-gates.js';
import { imageName, listed, renderDuration, shortDigest, type Objection } from './words.js';

export function planStackUpdate(
  snapshot: Snapshot,
  service: ServiceAt,
  goal: Extract<Goal, { kind: 'update' }> & { readonly resolved: Image },
): Draft {
  const { name } = service;
  const image = goal.resolved;
  const all = startOrder(service);
  const isAsWanted = ({ intent }: MemberAt): boolean =>
    intent?.spec.image.digest === image.digest && intent.run === 'running';
  if (all.every(isAsWanted))
    return {
      services: [name],
      moves: [],
      gates: [],
      refusals: [],
      warnings: [],
      unchanged: all.map(
        (member) => `${member.name} has ${imageName(image)} (${shortDigest(image.digest)}) already`,
      ),
    };
  const isNew = all.some((member) => member.intent?.spec.image.digest !== image.digest);
  const gates = gatesOfStack(snapshot, service, all, isNew ? image : undefined);
  const specOf = ({ intent }: MemberAt): MemberSpec | undefined =>
    intent && { ...intent.spec, image };
  return {
    services: withDatabase(service),
    ...judge(gates.checks),
    warnings: [
      ...gates.warnings,
      ...downWarning(snapshot, service),
      ...exceptionsOf(service, image),
      ...(isNew ? unknownVersion(image) : []),
    ],
    unchanged: [],
    moves: [
      ...(isNew
        ? [
            pullMove(
              snapshot,
              service,
              all.map((member) => member.host),
              image,
            ),
          ]
        : []),
      ...wholeStack(snapshot, service, specOf),
    ],
    expectedDowntimeMs: downtimeOf(snapshot, name),
  };
}

/** The main process, then its workers. */
const startOrder = (service: ServiceAt): MemberAt[] =>
  [...(service.leader === undefined ? [] : [service.leader]), ...workersOf(service)].filter(
    ({ intent }) => intent !== undefined && intent.run !== 'removed',
  );

/** All are stopped by this plan, so that nobody's health is what the others rest on: it is only told. */
export function gatesOfStack(
  snapshot: Snapshot,
  service: ServiceAt,
  stops: readonly MemberAt[],
  image: Image | undefined,
): StopGates {
  const { checks } = gatesBeforeStops(snapshot, service, stops, image);
  const ill = unhealthyOf(snapshot, service).filter(({ member }) => member.isFresh);
  return {
    checks: [
      ...checks.filter((check) => check.name !== 'health'),
      ...databaseGate(snapshot, service),
    ],
    warnings: ill.map(
      ({ member, diagnosis }) => `${member.name} is ${diagnosis.state} before anything is done`,
    ),
  };
}

function databaseGate(snapshot: Snapshot, service: ServiceAt): readonly GateCheck[] {
  const database = databaseOf(service);
  if (database === undefined) return [];
  return [
    {
      name: 'database',
      passed: `nothing goes on on ${database} that would hold a migration up`,
      objections: objectToBusyDatabase(snapshot, service, undefined),
    },
  ];
}

/** Down in order, up in order. Members whose spec stays are started again with what they had. */
export function wholeStack(
  snapshot: Snapshot,
  service: ServiceAt,
  specOf: (member: MemberAt) => MemberSpec | undefined,
): readonly DraftMove[] {
  const { name } = service;
  const members = haltOrder(service);
  const halt: readonly DraftMove[] =
    members.length === 0
      ? []
      : [
          {
            kind: 'halt',
            service: name,
            cause: 'workers first, the main process last',
            expectedMs: expectedMs(snapshot, name, 'halt'),
            members,
          },
        ];
  const starts = startOrder(service).flatMap((member): readonly DraftMove[] => {
    const { intent } = member;
    const spec = specOf(member);
    if (intent === undefined || spec === undefined) return [];
    return [
      {
        kind: 'recreate',
        service: name,
        cause: member.isLeader
          ? 'the main process, before any worker: its start migrates the data'
          : `a worker, behind ${service.topology.leader}`,
        expectedMs: expectedMs(snapshot, name, 'recreate'),
        member: member.name,
        host: member.host,
        spec,
        changes: changesBetween(intent.spec, spec),
        fromVersion: member.fact?.engine.version ?? intent.spec.image.version,
      },
    ];
  });
  return [...halt, ...starts];
}

export function downWarning(snapshot: Snapshot, service: ServiceAt): readonly string[] {
  const { name, topology } = service;
  const known = downtimeOf(snapshot, name);
  const workers = workersOf(service).map((worker) => worker.name);
  const time =
    known === undefined
      ? 'how long is not known before it was done once'
      : `about ${renderDuration(known)}`;
  return [
    `the whole of ${name} is down from the first stop until ${topology.leader} answers again, ${time}${workers.length === 0 ? '' : `; what ${listed(workers)} ${workers.length === 1 ? 'serves' : 'serve'} comes back after that, one after another`}`,
  ];
}

export function downtimeOf(snapshot: Snapshot, service: string): number | undefined {
  const stop = expectedMs(snapshot, service, 'halt');
  const start = expectedMs(snapshot, service, 'recreate');
  return stop === undefined || start === undefined ? undefined : stop + start;
}

/** What the releases on the way ask for. */
export function exceptionsOf(service: ServiceAt, image: Image): readonly string[] {
  const { leader, declaration } = service;
  const from = leader?.fact?.engine.version ?? leader?.intent?.spec.image.version;
  return exceptionsBetween(declaration.kind, from, image.version, declaration.update.exceptions);
}

export interface StackRestarts {
  /** In the order in which they are stopped. */
  readonly restarts: readonly MemberAt[];
  readonly moves: readonly DraftMove[];
  readonly objections: readonly Objection[];
  readonly warnings: readonly string[];
}

/**
 * What a deploy does with the members whose spec it changes: the whole stack, or with the operator's reason only those
 * workers. `recreates`: their moves, by member.
 */
export function planStackRestarts(
  snapshot: Snapshot,
  service: ServiceAt,
  changed: {
    readonly members: readonly MemberAt[];
    readonly restarts: ReadonlyMap<string, Image>;
    readonly recreates: ReadonlyMap<string, DraftMove>;
    readonly workerAlone: string | undefined;
  },
): StackRestarts {
  const { members, recreates } = changed;
  const reason = changed.workerAlone?.trim() ?? '';
  if (members.length === 0) return { restarts: [], moves: [], objections: [], warnings: [] };
  if (reason !== '' && !members.some((member) => member.isLeader))
    return {
      restarts: members,
      moves: members.flatMap((member) => {
        const move = recreates.get(member.name);
        return move === undefined ? [] : [{ ...move, cause: `alone, ${reason}: ${move.cause}` }];
      }),
      objections: members.flatMap((member) => {
        const image = changed.restarts.get(member.name);
        return image === undefined ? [] : objectToWorkerStart(service, member.name, image);
      }),
      warnings: [
        `${listed(members.map((member) => member.name))} without the rest of ${service.name}: ${reason}`,
      ],
    };
  const specs = new Map(
    [...recreates].flatMap(([name, move]) =>
      move.kind === 'recreate' ? [[name, move.spec] as const] : [],
    ),
  );
  const [image] = changed.restarts.values();
  return {
    restarts: startOrder(service).reverse(),
    moves: wholeStack(snapshot, service, (member) => specs.get(member.name) ?? member.intent?.spec),
    objections: [],
    warnings: [
      ...downWarning(snapshot, service),
      ...(image === undefined ? [] : exceptionsOf(service, image)),
      ...(reason === ''
        ? []
        : [
            `${service.topology.leader} changes as well, so the whole of ${service.name} goes down whatever the reason`,
          ]),
    ],
  };
}
