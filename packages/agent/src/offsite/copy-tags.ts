// What a snapshot says of the backup that it is a copy of: as tags, so that a list of them tells everything without
// reading any. Pure. Must never take a snapshot of somebody else's for a copy.
import type { Backup } from '@leafward/shared/gen/domain.js';
import type { ResticSnapshot } from './restic-output.js';

const OURS = 'leafward';

/** For `restic backup`: one argument each. A comma would be two tags. */
export function tagsOf(backup: Backup): readonly string[] {
  const { service, member, name, manifestSha256, position, version, iden, term } = backup;
  const tags: Readonly<Record<string, string | number | undefined>> = {
    service,
    member,
    backup: name,
    manifest: manifestSha256,
    iden,
    term,
    position,
    version,
    started: backup.startedAt,
    finished: backup.finishedAt,
    size: backup.sizeBytes,
    files: backup.files,
  };
  const told = Object.entries(tags)
    .filter(([, value]) => value !== undefined && !String(value).includes(','))
    .map(([key, value]) => `${key}=${value ?? ''}`);
  return [OURS, ...told];
}

/** For `snapshots --tag`: those that have all of these. */
export const filterOf = (fields: { readonly service: string; readonly backup?: string }): string =>
  [OURS, ...Object.entries(fields).map(([key, value]) => `${key}=${value}`)].join(',');

/** The backup as it was when it was copied, with this copy. Undefined: it is no copy of ours. */
export function backupOfSnapshot(snapshot: ResticSnapshot, repository: string): Backup | undefined {
  const tags = new Map(
    snapshot.tags.map((tag): [string, string] => {
      const [key = ''] = tag.split('=', 1);
      return [key, tag.slice(key.length + 1)];
    }),
  );
  const [path] = snapshot.paths;
  const texts = ['service', 'member', 'backup', 'manifest'].map((key) => tags.get(key));
  const [service, member, name, manifestSha256] = texts;
  const count = (key: string): number | undefined => {
    const text = tags.get(key);
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  };
  const [startedAt, finishedAt] = [count('started'), count('finished')];
  const isOurs = tags.has(OURS) && path !== undefined && startedAt !== undefined;
  if (!isOurs || finishedAt === undefined) return undefined;
  if (!service || !member || !name || !manifestSha256) return undefined;
  return {
    name,
    service,
    member,
    host: snapshot.host,
    path,
    sizeBytes: count('size') ?? 0,
    files: count('files') ?? 0,
    position: count('position'),
    version: tags.get('version'),
    iden: tags.get('iden'),
    term: count('term') ?? 0,
    startedAt,
    finishedAt,
    manifestSha256,
    copies: { copies: [copyOf(snapshot, repository)] },
  };
}

function copyOf({ id, at }: ResticSnapshot, repository: string) {
  return { repository, snapshot: id, at, tookMs: 0, addedBytes: 0 };
}
