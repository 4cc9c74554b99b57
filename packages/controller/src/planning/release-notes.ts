// What release notes say of the versions that an update crosses, and the flag days among them, which somebody must have
// read. Pure; the notes are the operator's, read from a file before the plan was made.
import type {
  Goal,
  Image,
  ReleaseNote,
  ReleaseNotes,
  UpdateOptions,
} from '@leafward/shared/gen/domain.js';
import semver from 'semver';
import type { GateCheck } from './draft.js';
import type { Snapshot } from '../snapshot.js';
import { gatherService, livingOf, versionOf, type MemberAt } from './gather.js';
import { isOlder } from './versions.js';
import { evidence, plural, type Objection } from './words.js';

export interface Crossing {
  /** The oldest version that one of them runs. Undefined: not known. */
  readonly from: string | undefined;
  readonly to: string | undefined;
}

export const crossingOf = (stops: readonly MemberAt[], image: Image): Crossing => ({
  from: stops
    .map(versionOf)
    .reduce<string | undefined>(
      (least, one) => (isOlder(one, least) ? one : (least ?? one)),
      undefined,
    ),
  to: image.version,
});

/** Of versions after `from`, up to and with `to`. A bound that is not known bounds nothing. */
export function notesBetween(notes: ReleaseNotes | undefined, crossing: Crossing): ReleaseNotes {
  const isCrossed = ({ version }: ReleaseNote): boolean =>
    (crossing.from === undefined || isOlder(crossing.from, version)) &&
    (crossing.to === undefined || !isOlder(crossing.to, version));
  return {
    oldest: notes?.oldest ?? '',
    newest: notes?.newest ?? '',
    migrations: (notes?.migrations ?? []).filter(isCrossed),
    flagDays: (notes?.flagDays ?? []).filter(isCrossed),
  };
}

/** Of a goal only what it crosses is kept: the notes of years are long. */
export function goalWithNotes(snapshot: Snapshot, goal: Goal): Goal {
  if (goal.kind !== 'update' && goal.kind !== 'fleet-update') return goal;
  const { options } = goal;
  if (options?.notes === undefined) return goal;
  const updates = goal.kind === 'update' ? [goal] : goal.updates;
  const crossings = updates.flatMap(({ service: name, resolved }) => {
    const service = gatherService(snapshot, name);
    if (service === undefined || resolved === undefined) return [];
    return [crossingOf(livingOf(service), resolved)];
  });
  const all = options.notes;
  const isIn = (kept: (notes: ReleaseNotes) => readonly ReleaseNote[]) => (note: ReleaseNote) =>
    crossings.some((crossing) => kept(notesBetween(all, crossing)).includes(note));
  const notes: ReleaseNotes = {
    ...all,
    migrations: all.migrations.filter(isIn(({ migrations }) => migrations)),
    flagDays: all.flagDays.filter(isIn(({ flagDays }) => flagDays)),
  };
  return { ...goal, options: { ...options, notes } };
}

/** What the notes do not reach. */
export function notesWarnings(
  notes: ReleaseNotes | undefined,
  { from, to }: Crossing,
): readonly string[] {
  if (notes === undefined) return [];
  const { oldest, newest } = notes;
  return [
    ...(isOlder(newest, to)
      ? [
          `the release notes end at ${newest}: what later versions up to ${to ?? ''} bring is not known`,
        ]
      : []),
    ...(isOlder(from, oldest)
      ? [
          `the release notes begin at ${oldest}: what versions after ${from ?? ''} brought before is not known`,
        ]
      : []),
  ];
}

/** Told only where there is a flag day. */
export function flagDayGate(
  { flagDays }: ReleaseNotes,
  { acknowledged = [] }: Partial<UpdateOptions>,
): readonly GateCheck[] {
  const versions = [...new Set(flagDays.map(({ version }) => version))];
  if (versions.length === 0) return [];
  const read = new Set(acknowledged.map(plain));
  return [
    {
      name: 'flag days',
      passed: `${plural(versions.length, 'flag day')} on the way, acknowledged`,
      objections: versions
        .filter((version) => !read.has(plain(version)))
        .map((version) => objectToFlagDay(version, flagDays)),
      evidence: versions.map((version) => evidence('acknowledged', version)),
    },
  ];
}

function objectToFlagDay(version: string, notes: readonly ReleaseNote[]): Objection {
  const texts = notes.filter((note) => note.version === version).map(({ text }) => text);
  return {
    code: 'flag-day',
    subject: version,
    message: `${version} is a flag day of the data model: ${texts.join(' ')}`,
    unblock: `read it in the release notes, see that queries and Power-Ups are ready for it, and plan again with --acknowledge ${version}`,
    evidence: [],
  };
}

const plain = (version: string): string => semver.coerce(version)?.version ?? version;
