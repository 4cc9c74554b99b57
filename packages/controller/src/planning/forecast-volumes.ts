// A host's volumes as the rules on space see them: which storages lie on one, how much of them is data, and which
// backups are kept there. Pure; joins what the snapshot has, concludes nothing.
import type { MemberIntent, VolumeFact } from '@leafward/shared/gen/domain.js';
import type { HostState, Snapshot } from '../snapshot.js';
import { backupsOn } from './gather.js';

/** One file system. */
export interface VolumeAt {
  /** The first of its paths, by which metrics and figures of the host call it. */
  readonly name: string;
  readonly paths: readonly string[];
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly rooms: readonly Room[];
  readonly kept: readonly Kept[];
}

/** A storage, and where its backups land. */
export interface Room {
  readonly storage: string;
  readonly member: string;
  readonly service: string;
  /** Without the backups that are kept in it. Undefined: not measured yet. */
  readonly dataBytes?: number | undefined;
  /** Kept backups that lie in it: the service's own rule counts them as its data. */
  readonly keptInside: readonly string[];
  /** Where a live backup lands. */
  readonly backupPath: string;
  /** Name of that volume; undefined: no report says how much is free there. */
  readonly backupVolume?: string | undefined;
}

/** Backups of one service on one volume, inside one storage or outside all of them. */
export interface Kept {
  readonly key: string;
  readonly service: string;
  readonly bytes: number;
  readonly count: number;
  /** So many its retention keeps at most. Undefined: nothing is ever taken away. */
  readonly most?: number | undefined;
}

/** Where backups land that have no place of their own. */
export const backupPathOf = ({ spec }: MemberIntent): string =>
  spec.backupDirectory ?? `${spec.storage}/backups`;

export const isBelow = (path: string, folder: string): boolean =>
  folder === '/' || `${path}/`.startsWith(`${folder}/`);

export function volumesOf(snapshot: Snapshot, host: HostState): readonly VolumeAt[] {
  const groups = groupsOf(host.fact?.volumes ?? []);
  const storages = storagesOf(host);
  const paths = groups.map(({ name, paths }) => ({ name, paths }));
  const backups = keptOf(snapshot, host.name, paths, storages);
  const rooms = storages.map((intent) => roomOf(host, intent, paths, backups));
  return groups.map((group) => ({
    ...group,
    rooms: rooms.filter(({ storage }) => volumeOfPath(paths, storage) === group.name),
    kept: backups.filter(({ volume }) => volume === group.name),
  }));
}

type Named = Pick<VolumeAt, 'name' | 'paths'>;

/** The name of the volume that a path is on; undefined: none that is known. */
export function volumeOfPath(volumes: readonly Named[], path: string): string | undefined {
  let best = { name: undefined as string | undefined, length: -1 };
  for (const { name, paths } of volumes)
    for (const at of paths)
      if (isBelow(path, at) && at.length > best.length) best = { name, length: at.length };
  return best.name;
}

/** Agents report a volume once for each path that they were asked about. */
function groupsOf(facts: readonly VolumeFact[]): readonly Omit<VolumeAt, 'rooms' | 'kept'>[] {
  const groups = new Map<string, VolumeFact[]>();
  for (const fact of facts) {
    const key = `${fact.device} ${fact.totalBytes}`;
    groups.set(key, [...(groups.get(key) ?? []), fact]);
  }
  return [...groups.values()].map((same) => {
    const paths = same.map(({ path }) => path).sort();
    return {
      name: paths[0] ?? '',
      paths,
      totalBytes: same[0]?.totalBytes ?? 0,
      freeBytes: Math.min(...same.map(({ freeBytes }) => freeBytes)),
    };
  });
}

/** One order for each storage whose member was not removed. */
function storagesOf(host: HostState): readonly MemberIntent[] {
  const found = new Map<string, MemberIntent>();
  for (const intent of host.intent?.members ?? [])
    if (intent.run !== 'removed' && !found.has(intent.spec.storage))
      found.set(intent.spec.storage, intent);
  return [...found.values()];
}

interface KeptAt extends Kept {
  readonly volume: string;
  readonly storage?: string | undefined;
}

function roomOf(
  host: HostState,
  intent: MemberIntent,
  volumes: readonly Named[],
  kept: readonly KeptAt[],
): Room {
  const { storage } = intent.spec;
  const inside = kept.filter((one) => one.storage === storage);
  const whole = host.members[intent.member]?.value.storage.dataBytes;
  const keptBytes = inside.reduce((sum, { bytes }) => sum + bytes, 0);
  const backupPath = backupPathOf(intent);
  return {
    storage,
    member: intent.member,
    service: intent.service,
    dataBytes: whole === undefined ? undefined : Math.max(0, whole - keptBytes),
    keptInside: inside.map(({ key }) => key),
    backupPath,
    backupVolume: volumeOfPath(volumes, backupPath),
  };
}

function keptOf(
  snapshot: Snapshot,
  host: string,
  volumes: readonly Named[],
  storages: readonly MemberIntent[],
): readonly KeptAt[] {
  const found = new Map<string, KeptAt>();
  for (const { path, service, sizeBytes } of backupsOn(snapshot, host)) {
    const volume = volumeOfPath(volumes, path);
    if (volume === undefined) continue;
    const storage = storages.find(
      ({ spec }) => isBelow(path, spec.storage) && volumeOfPath(volumes, spec.storage) === volume,
    )?.spec.storage;
    const key = `${service} in ${storage ?? volume}`;
    const before = found.get(key);
    found.set(key, {
      key,
      service,
      volume,
      storage,
      bytes: (before?.bytes ?? 0) + sizeBytes,
      count: (before?.count ?? 0) + 1,
      most: mostKept(snapshot, service),
    });
  }
  return [...found.values()];
}

/** Each rule keeps some; one backup may be kept by several, so it is this or less. */
function mostKept(snapshot: Snapshot, service: string): number | undefined {
  const keep = snapshot.services[service]?.declaration.backup.duty?.keep;
  if (keep === undefined) return undefined;
  const most = keep.last + keep.hourly + keep.daily + keep.weekly + keep.monthly;
  return most === 0 ? undefined : most;
}
