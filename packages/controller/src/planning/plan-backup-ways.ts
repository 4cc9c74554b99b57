// The two ways to save a member that are no live backup: of a stopped one by its offline tool, and by the operator's own
// snapshot command while its writes wait. What each needs, costs and says. Pure.
import type { Goal, Window } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { objectToInability } from './able.js';
import { expectedMs, type Draft, type DraftMove, type GateCheck } from './draft.js';
import type { MemberAt, ServiceAt } from './gather.js';
import { objectToBootSpace, objectToStop } from './safety.js';
import { isOlder } from './versions.js';
import { evidence, renderDuration, type Objection } from './words.js';

type BackupGoal = Extract<Goal, { kind: 'backup' }>;

export interface Way {
  /** Beside those of every backup. */
  readonly gates: readonly GateCheck[];
  readonly warnings: readonly string[];
  readonly move: DraftMove;
  readonly expectedDowntimeMs?: Draft['expectedDowntimeMs'];
}

export interface ChosenMember {
  readonly member: MemberAt;
  readonly cause: string;
}

/** Undefined: the goal is a live backup. */
export function wayOf(
  snapshot: Snapshot,
  service: ServiceAt,
  goal: BackupGoal,
  chosen: ChosenMember,
): Way | undefined {
  if (goal.cold === true) return cold(snapshot, service, goal, chosen);
  return goal.snapshot === true ? bySnapshot(snapshot, service, chosen) : undefined;
}

/** What a kind, or a manifest, has no way to do. */
export function objectToWay(service: ServiceAt, goal: BackupGoal): readonly Objection[] {
  const { name, declaration } = service;
  if (goal.cold === true && goal.snapshot === true)
    return [
      {
        code: 'two-ways',
        subject: name,
        message: `a backup of ${name} is cold or a snapshot, not both`,
        unblock: 'choose one of --cold and --snapshot',
        evidence: [],
      },
    ];
  if (goal.cold === true)
    return objectToInability(service, ['back-up-cold'], 'be backed up while it is stopped');
  if (goal.snapshot !== true) return [];
  const { snapshot } = declaration.backup;
  if (snapshot === undefined) return [noCommand(name)];
  return snapshot.freeze && declaration.kind !== 'synapse' ? [noFreeze(service)] : [];
}

function cold(
  snapshot: Snapshot,
  service: ServiceAt,
  goal: BackupGoal,
  { member, cause }: ChosenMember,
): Way {
  const expected = expectedMs(snapshot, service.name, 'cold-back-up');
  const outside = outsideWindow(service, snapshot.now);
  const down = expected === undefined ? 'how long is not known yet' : renderDuration(expected);
  return {
    gates: [
      {
        name: 'others',
        passed: `all others of ${service.name} are up while ${member.name} is stopped (I4)`,
        objections: [...objectToStop(snapshot, service, member.name), ...objectToBootSpace(member)],
      },
    ],
    warnings: [
      ...(member.isLeader
        ? [`${service.name} is down while its leader ${member.name} is stopped: ${down}`]
        : []),
      ...(outside === undefined ? [] : [outside]),
    ],
    move: {
      kind: 'cold-back-up',
      service: service.name,
      cause: member.isLeader ? cause : 'a mirror, so that the service goes on',
      expectedMs: expected,
      member: member.name,
      host: member.host,
      name: goal.name,
    },
    expectedDowntimeMs: member.isLeader ? expected : 0,
  };
}

function bySnapshot(
  snapshot: Snapshot,
  service: ServiceAt,
  { member, cause }: ChosenMember,
): Way | undefined {
  const policy = service.declaration.backup.snapshot;
  if (policy === undefined) return undefined;
  const { command, timeoutMs, freeze } = policy;
  const expected = expectedMs(snapshot, service.name, 'snapshot');
  return {
    gates: freeze
      ? [
          {
            name: 'freeze',
            passed: `${member.name} holds its writes, for ${renderDuration(timeoutMs)} at most`,
            objections: objectToFreeze(service, member),
            evidence: [
              evidence('version', member.fact?.engine.version, { seenAt: member.receivedAt }),
            ],
          },
        ]
      : [],
    warnings: [
      'a snapshot is no backup that Leafward can verify, drill or restore: it is not in the catalogue',
      ...(freeze
        ? [
            `every write to ${member.name} waits while the command runs${member.isLeader ? '' : ': it falls behind its upstream for that long'}`,
          ]
        : ['nothing is frozen: what the command copies may be in the middle of a write']),
    ],
    move: {
      kind: 'snapshot',
      service: service.name,
      cause,
      expectedMs: expected,
      member: member.name,
      host: member.host,
      command: command.map((word) => filled(word, member)),
      timeoutMs,
      freeze,
    },
    expectedDowntimeMs: freeze && member.isLeader ? expected : 0,
  };
}

/** A word of the operator's command, with what is known of the member in it. */
function filled(word: string, { name, intent }: MemberAt): string {
  const values: Readonly<Record<string, string | undefined>> = {
    member: name,
    service: intent?.service,
    storage: intent?.spec.storage,
  };
  return word.replaceAll(/\{(member|service|storage)\}/g, (all, key: string) => values[key] ?? all);
}

/** Cells can be frozen from here on (source: the calls of each version). */
const FREEZES_SINCE = '2.186.0';

function objectToFreeze(
  { declaration }: ServiceAt,
  { name, fact, receivedAt: seenAt }: MemberAt,
): readonly Objection[] {
  const version = fact?.engine.version;
  if (fact?.engine.paused === true)
    return [
      {
        code: 'frozen',
        subject: name,
        message: `${name} is frozen already, by somebody else`,
        unblock: 'let them end, or resume it: docs/operations.md, frozen',
        evidence: [evidence('writes', 'wait: frozen', { wanted: 'taken', seenAt })],
      },
    ];
  if (declaration.kind !== 'synapse' || !isOlder(version, FREEZES_SINCE)) return [];
  return [
    {
      code: 'cannot-freeze',
      subject: name,
      message: `${name} is of version ${version ?? ''} and cannot be frozen: that is so from ${FREEZES_SINCE} on`,
      unblock:
        'update it first, take a live backup, or say freeze: false where the snapshot is of one instant',
      evidence: [evidence('version', version, { wanted: `≥ ${FREEZES_SINCE}`, seenAt })],
    },
  ];
}

const noFreeze = ({ name, declaration }: ServiceAt): Objection => ({
  code: 'kind-cannot',
  subject: name,
  message: `${name} is of kind ${declaration.kind}, which cannot be frozen`,
  unblock:
    'say freeze: false if the snapshot is of one instant, or let your command stop its writes itself',
  evidence: [],
});

const noCommand = (name: string): Objection => ({
  code: 'no-snapshot-command',
  subject: name,
  message: `the manifest gives ${name} no command for snapshots`,
  unblock: `write backup.snapshot with its command into the manifest for ${name}, and deploy`,
  evidence: [],
});

/** It begins when an operator applies it: the window is told, not enforced. */
function outsideWindow({ declaration, name }: ServiceAt, now: number): string | undefined {
  const { window, timeZone } = declaration.backup.duty ?? {};
  if (window === undefined || timeZone === undefined || isWithin(window, minuteOf(now, timeZone)))
    return undefined;
  return `it is outside the window for backups of ${name}, ${clock(window.fromMinute)} to ${clock(window.toMinute)} ${timeZone}: apply it within`;
}

const isWithin = ({ fromMinute, toMinute }: Window, minute: number): boolean =>
  fromMinute < toMinute
    ? minute >= fromMinute && minute < toMinute
    : minute >= fromMinute || minute < toMinute;

function minuteOf(now: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en', {
    timeZone,
    hour: 'numeric',
    minute: 'numeric',
    hourCycle: 'h23',
  }).formatToParts(now);
  const figure = (type: 'hour' | 'minute'): number =>
    Number(parts.find((part) => part.type === type)?.value);
  return figure('hour') * 60 + figure('minute');
}

const clock = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
