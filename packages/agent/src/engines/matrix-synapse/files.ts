// What of a homeserver is on disk and not in its database: media, signing key, configuration. Reads only.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';

/** Media that this server was given; what it fetched from others is cache and not kept. */
export const KEPT_MEDIA = ['local_content', 'local_thumbnails'] as const;
/** Where the image for workers has its media. */
const MEDIA_TARGET = '/synapse_media';
/** Configuration has dozens of files. */
const MOST_ENTRIES = 10_000;

/**
 * Host path of the media store: option `media`, else what is mounted for it, else in the storage. Undefined for the
 * option `none`: they lie elsewhere and are kept by others.
 */
export function mediaDirectoryOf(spec: MemberSpec): string | undefined {
  if (spec.engineOptions['media'] === 'none') return undefined;
  const mounted = spec.mounts.find(({ target }) => target === MEDIA_TARGET)?.source;
  return spec.engineOptions['media'] ?? mounted ?? join(spec.storage, 'media_store');
}

/**
 * Host paths of single files: all that are mounted, those in the storage, and those of the option `files` (files or
 * directories, separated by blanks). What the option names must be there; of the others those are taken that are.
 * @throws LeafwardError `invalid` for a directory that is none of configuration.
 */
export async function filesOf(spec: MemberSpec): Promise<readonly string[]> {
  const named = (spec.engineOptions['files'] ?? '').split(/\s+/).filter((path) => path !== '');
  const usual = ['homeserver.yaml', 'signing.key', 'log.config'];
  const found = await filesAmong([
    ...spec.mounts.map(({ source }) => source),
    ...usual.map((name) => join(spec.storage, name)),
  ]);
  const within = await Promise.all(named.map(filesIn));
  return [...new Set([...within.flat(), ...found])].sort();
}

/** The file itself, also when it is not there; of a directory all that are in it. */
async function filesIn(path: string): Promise<readonly string[]> {
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isDirectory) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  if (entries.length > MOST_ENTRIES)
    throw new LeafwardError(
      'invalid',
      `keep ${path}: more than ${MOST_ENTRIES} entries; name single files in the option files of its engine`,
    );
  return entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
}

async function filesAmong(paths: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(
    paths.map(async (path) => {
      const isFile = await stat(path).then(
        (one) => one.isFile(),
        () => false,
      );
      return isFile ? [path] : [];
    }),
  );
  return found.flat();
}
