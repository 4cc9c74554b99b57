// The way back: everybody stops, one member gets a backup's data and leads in a new term, the others are filled anew
// from it. What was written since the backup is lost, so the plan says all that it knows of that. Pure.
import type { Backup, Goal, Image } from '@leafward/shared/gen/domain.js';
import { depthOf, type Topology } from '@leafward/shared/topology.js';
import type { Snapshot } from '../snapshot.js';
import { objectToInability, unable } from './able.js';
import { hasItsDatabase, withDatabase } from './database.js';
import {
  emptyDraft,
  expectedMs,
  judge,
  type Draft,
  type DraftMove,
  type GateCheck,
} from './draft.js';
import { backupsNamed, livingOf, memberOf, type MemberAt, type ServiceAt } from './gather.js';
import { haltOrder } from './halt-order.js';
import { retreed } from './intents.js';
import { fateOf, reseedMove } from './plan-reseed.js';
import { retiredOnes } from './plan-update.js';
import { goesWith, objectToLostBackups, objectToSeedSpace } from './replaced.js';
import { objectToCompany } from './scheduled.js';
import { objectToRetired, silent } from './safety.js';
import { restoreImageGate, restoreImagePull, restoreImageWarnings } from './restore-image.js';
import { absent, rebuildingOf } from './seed-backup.js';
import { isStack, workersOf } from './stack.js';
import { restoredTo } from './tree.js';
import { isOlder } from './versions.js';
import { evidence, listed, plural, renderDuration, renderSize, type Objection } from './words.js';

type RestoreGoal = Extract<Goal, { kind: 'restore' }>;

interface Restoring {
  readonly backup: Backup;
  readonly member: MemberAt;
  readonly goal: RestoreGoal;
}

export function planRestore(snapshot: Snapshot, service: ServiceAt, goal: RestoreGoal): Draft {
  const { name } = service;
  const inability = objectToInability(service, ['restore'], 'be restored');
  if (inability.length > 0) return unable(name, inability);
  const backup = backupMeant(snapshot, service, goal);
  const member = backup === undefined ? undefined : memberFor(service, backup);
  if (backup === undefined || member === undefined)
    return {
      ...emptyDraft,
      services: [name],
      ...judge([
        {
          name: 'backup',
          passed: '',
          objections: [backup === undefined ? absent(snapshot, service, goal) : outOfReach(backup)],
        },
      ]),
    };
  const what = { backup, member, goal };
  return {
    services: withDatabase(service),
    ...judge(gatesFor(snapshot, service, what)),
    warnings: warningsOf(snapshot, service, what),
    unchanged: retiredOnes(service),
    moves: movesOf(snapshot, service, what),
    expectedDowntimeMs: sum([expectedMs(snapshot, name, 'halt'), restoreMs(snapshot, backup)]),
  };
}

/** Measured by a drill of this very backup, else as it took before. */
const restoreMs = (snapshot: Snapshot, { service, drill }: Backup): number | undefined =>
  drill?.ok === true ? drill.tookMs : expectedMs(snapshot, service, 'restore');

const sum = (parts: readonly (number | undefined)[]): number | undefined =>
  parts.every((part) => part !== undefined)
    ? parts.reduce<number>((all, part) => all + part, 0)
    : undefined;

/** One that was sent to other hosts: where its own member is, else where another one is that could take it. */
function backupMeant(
  snapshot: Snapshot,
  service: ServiceAt,
  goal: RestoreGoal,
): Backup | undefined {
  const found = backupsNamed(snapshot, service.name, goal);
  return (
    found.find((one) => memberFor(service, one)?.name === one.member) ??
    found.find((one) => memberFor(service, one) !== undefined) ??
    found[0]
  );
}

/** It reads the backup from its own disk: the member that took it, else another one of that host. */
function memberFor(service: ServiceAt, backup: Backup): MemberAt | undefined {
  const there = livingOf(service).filter(
    (member) => member.host === backup.host && member.intent !== undefined,
  );
  const usable = service.declaration.shape === 'stack' ? there.filter((m) => m.isLeader) : there;
  return usable.find((member) => member.name === backup.member) ?? usable[0];
}

const outOfReach = (backup: Backup): Objection => ({
  code: 'backup-out-of-reach',
  subject: backup.name,
  message: `${backup.name} of ${backup.member} lies on host ${backup.host}, where no living member of ${backup.service} is that could take it`,
  unblock: `send it to a host that has one: leafward backup send ${backup.name} --to HOST; or take another backup`,
  evidence: [evidence('path', `${backup.host}:${backup.path}`)],
});

function gatesFor(
  snapshot: Snapshot,
  service: ServiceAt,
  { backup, member, goal }: Restoring,
): readonly GateCheck[] {
  const { leader, name } = service;
  const others = replacedBeside(service, member);
  // A worker out of sight may go on writing to the database that was put back.
  const mustBeSeen = isStack(service) ? livingOf(service) : [leader, member];
  return [
    {
      name: 'alone',
      passed: `no other operation is going on on ${name}`,
      objections: objectToCompany(snapshot, name),
    },
    {
      name: 'backup',
      passed: `${backup.name} of ${backup.member} is complete, ${renderDuration(snapshot.now - backup.finishedAt)} old`,
      objections: [
        ...objectToBackup(backup, member, goal),
        ...objectToHalf(snapshot, service, backup),
      ],
      evidence: [
        evidence('files hashed', backup.files),
        evidence('size', renderSize(backup.sizeBytes)),
      ],
    },
    ...restoreImageGate(backup, goal),
    {
      name: 'connected',
      passed: `${listed([...new Set(mustBeSeen.map((one) => one?.name ?? ''))])} can be seen stopped`,
      objections: mustBeSeen
        .filter((one, index, all) => one !== undefined && all.indexOf(one) === index)
        .flatMap((one) => (one === undefined || one.isFresh ? [] : [unseen(service, one)])),
    },
    {
      name: 'retired',
      passed: 'nobody is brought back that must not be (I2)',
      objections: [leader, member]
        .flatMap((one) => (one === undefined ? [] : objectToRetired(one)))
        .slice(0, 1),
    },
    {
      name: 'space',
      passed: 'there is room for the data of the backup wherever it is put',
      objections: [member, ...others].flatMap((one) =>
        objectToSeedSpace(one, backup.sizeBytes, goal.wipe),
      ),
    },
    {
      name: 'backups',
      passed: 'no backup goes away with the old data',
      objections: [member, ...others].flatMap((one) =>
        objectToLostBackups(snapshot, service, one, goal.wipe),
      ),
    },
  ];
}

/** Whoever led and cannot be seen may go on leading beside the restored one (I1). */
const unseen = (service: ServiceAt, member: MemberAt): Objection => ({
  ...silent(member),
  unblock:
    member.isLeader && service.declaration.shape === 'tree' && livingOf(service).length > 1
      ? `bring host ${member.host} back; or fail over first, which fences it: leafward plan failover ${service.name}`
      : `bring host ${member.host} and its leafward-agent back`,
});

function objectToBackup(backup: Backup, member: MemberAt, goal: RestoreGoal): readonly Objection[] {
  const image = member.intent?.spec.image;
  if (goesWith(backup, member))
    return [
      {
        code: 'backups-in-storage',
        subject: member.name,
        message: `${backup.name} lies in the storage of ${member.name} that is emptied for it, at ${backup.path}`,
        unblock: 'move it to where backups of this member are kept, and plan again',
        evidence: [],
      },
    ];
  if (backup.manifestSha256 === '')
    return [
      {
        code: 'no-such-backup',
        subject: backup.name,
        message: `${backup.name} is not complete: its files were never all hashed`,
        unblock: 'take another backup',
        evidence: [],
      },
    ];
  if (goal.image !== undefined || !isOlder(image?.version, backup.version)) return [];
  return [
    {
      code: 'downgrade',
      subject: member.name,
      message: `${backup.name} is of version ${backup.version ?? ''}, ${member.name} has the image of ${image?.version ?? ''}: versions never go down (I5)`,
      unblock: `update ${backup.service} to ${backup.version ?? ''} or newer first`,
      evidence: [evidence('version', image?.version, { wanted: `≥ ${backup.version ?? ''}` })],
    },
  ];
}

/** The files of a stack without its database's backup lead nowhere. */
function objectToHalf(
  snapshot: Snapshot,
  service: ServiceAt,
  backup: Backup,
): readonly Objection[] {
  if (hasItsDatabase(snapshot, service, backup)) return [];
  return [
    {
      code: 'no-such-backup',
      subject: backup.name,
      message: `${backup.name} belongs to ${backup.databaseBackup ?? 'a backup of its database'}, which is not there`,
      unblock: 'bring the host of that backup back, or take another backup',
      evidence: [],
    },
  ];
}

/** Members of a tree that hold copies; workers hold none. */
const replacedBeside = (service: ServiceAt, member: MemberAt): readonly MemberAt[] =>
  service.declaration.shape === 'stack'
    ? []
    : livingOf(service).filter((one) => one.name !== member.name && canBeOrdered(one));

/** In sight, and not on its way out. */
const canBeOrdered = ({ isFresh, intent }: MemberAt): boolean =>
  isFresh && intent !== undefined && intent.run !== 'removed';

function movesOf(
  snapshot: Snapshot,
  service: ServiceAt,
  { backup, member, goal }: Restoring,
): readonly DraftMove[] {
  const { name, declaration } = service;
  const term = service.topology.term + 1;
  const topology = restoredTo(service.topology, member.name, term);
  const halts = haltOrder(service);
  const restore: DraftMove = {
    kind: 'restore',
    service: name,
    cause: `backup ${backup.name} lies on its host; term ${term} begins`,
    expectedMs: restoreMs(snapshot, backup),
    member: member.name,
    host: member.host,
    backup: backup.name,
    term,
    wipe: goal.wipe,
    image: goal.resolved,
  };
  const rebuilt = fromTheTop(topology, replacedBeside(service, member)).map((one) => ({
    one,
    ...rebuildingOf(snapshot, service, one, backup),
  }));
  return [
    ...restoreImagePull(snapshot, service, livingOf(service).filter(canBeOrdered), goal),
    // Nobody is down while they are on their way.
    ...rebuilt.flatMap(({ send }) => (send === undefined ? [] : [send])),
    ...(halts.length === 0
      ? []
      : [
          {
            kind: 'halt' as const,
            service: name,
            cause: `nobody may lead or mirror while ${name} goes back`,
            expectedMs: expectedMs(snapshot, name, 'halt'),
            members: halts,
          },
        ]),
    restore,
    ...(declaration.shape === 'stack'
      ? workersOf(service).flatMap((worker) =>
          startWorker(snapshot, service, worker, { topology, image: goal.resolved }),
        )
      : rebuilt.map(({ one, fromBackup }) =>
          reseedMove(snapshot, service, {
            member: one,
            upstream: seenUpstream(service, topology, one.name),
            reseed: {
              ...{ id: goal.id, wipe: goal.wipe },
              ...(fromBackup ? { backup: backup.name } : {}),
            },
            backupPosition: fromBackup ? backup.position : undefined,
            cause: 'what it has is of the line that was given up',
          }),
        )),
  ];
}

const fromTheTop = (topology: Topology, members: readonly MemberAt[]): readonly MemberAt[] =>
  [...members].sort(
    (a, b) => depthOf(topology, a.name) - depthOf(topology, b.name) || a.name.localeCompare(b.name),
  );

/** One whose upstream stays silent is filled from the next one above that is there. */
function seenUpstream(service: ServiceAt, topology: Topology, member: string): string {
  let at = topology.upstreams[member] ?? topology.leader;
  while (at !== topology.leader) {
    const upstream = memberOf(service, at);
    if (upstream !== undefined && canBeOrdered(upstream)) return at;
    at = topology.upstreams[at] ?? topology.leader;
  }
  return at;
}

function startWorker(
  snapshot: Snapshot,
  service: ServiceAt,
  worker: MemberAt,
  { topology, image }: { readonly topology: Topology; readonly image?: Image | undefined },
): readonly DraftMove[] {
  if (!canBeOrdered(worker)) return [];
  const intent = retreed(service, topology, worker.name);
  const spec = image === undefined ? intent.spec : { ...intent.spec, image };
  return [
    {
      kind: 'place',
      service: service.name,
      cause: 'starts again behind its main process',
      expectedMs: expectedMs(snapshot, service.name, 'place'),
      host: worker.host,
      intent: { ...intent, spec, run: 'running' },
    },
  ];
}

function warningsOf(
  snapshot: Snapshot,
  service: ServiceAt,
  { backup, member, goal }: Restoring,
): readonly string[] {
  const others = replacedBeside(service, member);
  const silentOnes = livingOf(service).filter((one) => !one.isFresh && one !== service.leader);
  const image = goal.resolved ?? member.intent?.spec.image;
  return [
    ...damageOf(backup),
    ...drillOf(backup),
    lossOf(snapshot, service, backup),
    ...restoreImageWarnings(service, goal),
    fateOf(member, goal.wipe),
    ...others.map((one) => fateOf(one, goal.wipe, goal.id)),
    ...others.map((one) => `${one.name} ${rebuildingOf(snapshot, service, one, backup).why}`),
    `${service.name} is down from the first stop until ${member.name} leads again${others.length === 0 ? '' : `; then ${listed(others.map((one) => one.name))} ${others.length === 1 ? 'is' : 'are'} filled anew, one after another`}`,
    ...(isOlder(backup.version, image?.version)
      ? [
          `the backup is of version ${backup.version ?? ''} and is migrated to ${image?.version ?? ''} at the first start`,
        ]
      : []),
    ...(backup.databaseBackup === undefined
      ? []
      : [
          `its database is a service of its own, and goes back by a plan of its own, to ${backup.databaseBackup}: do that first`,
        ]),
    ...silentOnes.map(
      (one) =>
        `${one.name} is silent: it is ordered to stop when it is back, and waits for: leafward plan reseed ${service.name} ${one.name}`,
    ),
  ];
}

/** It may be the only one that there is: whoever restores it must know, and may. */
const damageOf = ({ name, verification }: Backup): readonly string[] =>
  verification?.ok !== false
    ? []
    : [
        `${name} is DAMAGED: ${verification.problems[0] ?? 'its files are not what they were'}; take another one if there is any`,
      ];

const drillOf = ({ name, drill }: Backup): readonly string[] =>
  drill?.ok !== false
    ? []
    : [
        `${name} FAILED its drill: ${drill.problems[0] ?? 'no reason given'}; take one that is proven if there is any`,
      ];

/** Time first: it is always known. */
function lossOf(snapshot: Snapshot, service: ServiceAt, backup: Backup): string {
  const age = renderDuration(Math.max(0, snapshot.now - backup.startedAt));
  const now = service.leader?.fact?.engine.position;
  const offsets =
    backup.position === undefined || now === undefined
      ? 'how much that is is not known'
      : now <= backup.position
        ? 'which is nothing that is known'
        : `which is ${plural(now - backup.position, 'offset')}: ${service.topology.leader} is at ${now}, the backup at ${backup.position}`;
  return `everything that was written to ${service.name} since ${backup.name} was begun ${age} ago is LOST, ${offsets}`;
}
