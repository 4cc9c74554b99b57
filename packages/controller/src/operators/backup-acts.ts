// Which request of which host an operator's act on backups is. Decides nothing beyond that.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { ActOnBackupRequest, Backup, Image, Runtime } from '@leafward/shared/gen/domain.js';
import type { HostAct, HostQuestion } from '../images.js';
import type { Snapshot } from '../snapshot.js';

export type BackupOrder = Pick<HostQuestion, 'host' | 'what' | 'act' | 'about'>;

export interface BackupMeant {
  readonly act: ActOnBackupRequest;
  /** Undefined: all backups of the service are meant. */
  readonly backup: Backup | undefined;
  readonly service: string | undefined;
}

/** What a reference means to the runtime of that host. */
export type ResolveImage = (need: {
  readonly runtime: Runtime;
  readonly reference: string;
  readonly host: string;
}) => Promise<Image>;

/** @throws LeafwardError `invalid` or `not-found`, and what resolving an image throws. */
export async function orderFor(
  snapshot: Snapshot,
  meant: BackupMeant,
  resolve: ResolveImage,
): Promise<BackupOrder> {
  const { act, backup } = meant;
  switch (act.kind) {
    case 'drill': {
      const { path, host } = needed(backup, act.kind);
      const { timeoutMs } = act;
      const place = placeOf(snapshot, needed(backup, act.kind));
      const image =
        act.image === undefined
          ? undefined
          : await resolve({ runtime: place.runtime, reference: act.image, host });
      return order(place, backup, { kind: 'drill-backup', path, image, timeoutMs });
    }
    case 'copy': {
      const found = needed(backup, act.kind);
      return order(placeOf(snapshot, found), backup, { kind: 'copy-backup', path: found.path });
    }
    case 'fetch': {
      // Of one that no host has any more only the repository knows; its host finds it by its name.
      const place =
        backup === undefined
          ? anyPlaceOf(snapshot, meant.service, act.host)
          : placeOf(snapshot, { ...backup, host: act.host ?? backup.host });
      const copy = backup?.copies?.copies[0]?.snapshot ?? '';
      return order(place, backup, { kind: 'fetch-backup', backup: act.backup, snapshot: copy });
    }
    case 'check': {
      const { dataPercent } = act;
      const place = anyPlaceOf(snapshot, meant.service, act.host);
      return order(place, undefined, { kind: 'check-copies', dataPercent });
    }
    case 'list-copies':
      return order(anyPlaceOf(snapshot, meant.service, act.host), undefined, { kind: act.kind });
    case 'send':
      throw new LeafwardError('invalid', 'a backup is sent by two hosts');
    case 'prune': {
      const place = anyPlaceOf(snapshot, meant.service, act.host);
      return order(place, undefined, { kind: 'prune-backups', dryRun: act.dryRun });
    }
    case 'prune-copies': {
      const place = anyPlaceOf(snapshot, meant.service, act.host);
      return order(place, undefined, { kind: 'prune-copies', dryRun: act.dryRun });
    }
  }
}

interface Place {
  readonly host: string;
  readonly member: string;
  readonly term: number;
  readonly service: string;
  readonly runtime: Runtime;
}

export function order(place: Place, backup: Backup | undefined, act: HostAct): BackupOrder {
  const { host, member, term, service } = place;
  const what = `${act.kind} of ${backup?.name ?? service} on host ${host}`;
  return { host, what, act, about: { member, term } };
}

function needed(backup: Backup | undefined, what: string): Backup {
  if (backup !== undefined) return backup;
  throw new LeafwardError('invalid', `${what}: it is not said which backup is meant`);
}

/** Members by service and host, as their hosts' orders have them. */
function places(snapshot: Snapshot, service: string | undefined): readonly Place[] {
  return Object.values(snapshot.hosts).flatMap(({ name, intent }) =>
    (intent?.members ?? [])
      .filter((one) => one.service === service)
      .map((one) => ({
        host: name,
        member: one.member,
        service: one.service,
        term: snapshot.services[one.service]?.topology.term ?? one.term,
        runtime: one.spec.runtime,
      })),
  );
}

/** Whose settings are used: its own member's, or another one's of the service on that host. */
export function placeOf(
  snapshot: Snapshot,
  { name, member, service, host }: Pick<Backup, 'name' | 'member' | 'service' | 'host'>,
): Place {
  const there = places(snapshot, service).filter((place) => place.host === host);
  const found = there.find((place) => place.member === member) ?? there[0];
  if (found !== undefined) return found;
  throw new LeafwardError(
    'not-found',
    `${name}: ${service} has no member on host ${host} any more, and nothing there says how it is run`,
  );
}

function anyPlaceOf(
  snapshot: Snapshot,
  service: string | undefined,
  host: string | undefined,
): Place {
  const all = places(snapshot, service);
  const found = host === undefined ? all[0] : all.find((place) => place.host === host);
  if (found !== undefined) return found;
  throw new LeafwardError(
    'not-found',
    all.length === 0
      ? `there is no service ${service ?? ''}`
      : `${service ?? ''} has no member on host ${host ?? ''}; it has on ${all.map((one) => one.host).join(', ')}`,
  );
}
