// What an update is going to be like, as far as history, a rehearsal, release notes and logs tell. Pure.
import { subtreeOf } from '@leafward/shared/topology.js';
import type {
  Backup,
  DeprecationOutlook,
  Image,
  RehearsalOutlook,
  ReleaseNotes,
  ServiceOutlook,
  UpdateStrategy,
} from '@leafward/shared/gen/domain.js';
import type { Rehearsal, Snapshot } from '../snapshot.js';
import { expectedMs } from './draft.js';
import { livingOf, type MemberAt, type ServiceAt } from './gather.js';
import { wayBacks } from './safety.js';
import { isOlder } from './versions.js';

/** More texts than these are no help. */
const DEPRECATIONS_SHOWN = 10;

export interface OutlookParts {
  readonly strategy: UpdateStrategy;
  readonly rehearsal: Rehearsal | undefined;
  readonly notes: ReleaseNotes;
  readonly fromVersion: string | undefined;
  /** The image that is left, where a reference of its own still names it. */
  readonly left: Image | undefined;
  readonly handOverTo?: MemberAt | undefined;
}

export function outlookOf(
  snapshot: Snapshot,
  service: ServiceAt,
  { strategy, rehearsal, notes, fromVersion, left, handOverTo }: OutlookParts,
): ServiceOutlook {
  const restartMs = readyMsOf(rehearsal) ?? expectedMs(snapshot, service.name, 'recreate');
  const goesOn =
    handOverTo !== undefined && subtreeOf(service.topology, handOverTo.name).length > 0;
  return {
    service: service.name,
    strategy,
    leaderRestartMs: restartMs,
    ...(handOverTo === undefined
      ? {}
      : {
          handOverMs: expectedMs(snapshot, service.name, 'hand-over'),
          handOverTo: handOverTo.name,
          withoutMirrorMs: goesOn ? 0 : restartMs,
        }),
    rehearsal: rehearsal === undefined ? undefined : rehearsalOutlook(rehearsal),
    migrations: notes.migrations,
    flagDays: notes.flagDays,
    deprecations: deprecationsOf(service),
    ...wayBackOf(snapshot, service, left),
    fromVersion,
  };
}

/**
 * The newest backup that the gate accepts and that the image which is left may have: one of a member that was updated
 * already is newer than it. Where there is none, the newest one, with the new image.
 */
function wayBackOf(
  snapshot: Snapshot,
  service: ServiceAt,
  left: Image | undefined,
): Pick<ServiceOutlook, 'backup' | 'fromImage'> {
  const sound = wayBacks(snapshot, service);
  const mayHave = ({ version }: Backup): boolean =>
    version === undefined || (left?.version !== undefined && !isOlder(left.version, version));
  const old = left === undefined ? undefined : sound.find(mayHave);
  return old === undefined
    ? { backup: sound[0]?.name }
    : { backup: old.name, fromImage: left?.reference };
}

/** Without the copying, which an update has not. */
export const readyMsOf = (rehearsal: Rehearsal | undefined): number | undefined =>
  rehearsal?.drill.ok === true
    ? Math.max(0, rehearsal.drill.tookMs - rehearsal.drill.copyMs)
    : undefined;

function rehearsalOutlook({ backup, host, drill }: Rehearsal): RehearsalOutlook {
  const { at, ok, tookMs, copyMs, migrationMs, problems } = drill;
  return {
    backup,
    host,
    at,
    ok,
    readyMs: Math.max(0, tookMs - copyMs),
    migrationMs,
    problem: ok ? undefined : (problems[0] ?? 'no reason given'),
  };
}

/** Each text once, of the member that said it last; the most frequent first. */
function deprecationsOf(service: ServiceAt): readonly DeprecationOutlook[] {
  const byText = new Map<string, DeprecationOutlook>();
  for (const { name, fact } of livingOf(service))
    for (const deprecation of fact?.deprecations?.deprecations ?? []) {
      const known = byText.get(deprecation.text);
      const isNewer = (known?.deprecation.lastSeenAt ?? 0) <= deprecation.lastSeenAt;
      const { member, deprecation: last } = isNewer
        ? { member: name, deprecation }
        : (known ?? { member: name, deprecation });
      const count = (known?.deprecation.count ?? 0) + deprecation.count;
      byText.set(deprecation.text, { member, deprecation: { ...last, count } });
    }
  return [...byText.values()]
    .sort(
      (a, b) =>
        b.deprecation.count - a.deprecation.count ||
        (a.deprecation.text < b.deprecation.text ? -1 : 1),
    )
    .slice(0, DEPRECATIONS_SHOWN);
}
