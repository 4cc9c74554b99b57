// What an update is going to be like, as far as history, a rehearsal, release notes and logs tell. Pure.
import { subtreeOf } from '@leafward/shared/topology.js';
import type {
  DeprecationOutlook,
  RehearsalOutlook,
  ReleaseNotes,
  ServiceOutlook,
  UpdateStrategy,
} from '@leafward/shared/gen/domain.js';
import type { Rehearsal, Snapshot } from '../snapshot.js';
import { expectedMs } from './draft.js';
import { backupsOf, livingOf, type MemberAt, type ServiceAt } from './gather.js';
import { hasFailedDrill } from './proven.js';

/** More texts than these are no help. */
const DEPRECATIONS_SHOWN = 10;

export interface OutlookParts {
  readonly strategy: UpdateStrategy;
  readonly rehearsal: Rehearsal | undefined;
  readonly notes: ReleaseNotes;
  readonly fromVersion: string | undefined;
  readonly fromImage: string | undefined;
  readonly handOverTo?: MemberAt | undefined;
}

export function outlookOf(
  snapshot: Snapshot,
  service: ServiceAt,
  { strategy, rehearsal, notes, fromVersion, fromImage, handOverTo }: OutlookParts,
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
    backup: wayBackOf(snapshot, service),
    fromVersion,
    fromImage,
  };
}

/** The backup that the gate found, newest first. */
const wayBackOf = (snapshot: Snapshot, service: ServiceAt): string | undefined =>
  backupsOf(snapshot, service.name).find(
    (one) => one.manifestSha256 !== '' && one.verification?.ok !== false && !hasFailedDrill(one),
  )?.name;

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
