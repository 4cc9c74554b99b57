// What of a homeserver is on disk and not in its database: media, signing key, configuration. Reads only.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';

/** Media that this server was given; what it fetched from others is cache and not kept. */
export const KEPT_MEDIA = ['local_content', 'local_thumbnails'] as const;
/** Where the image for workers has its media. */
const MEDIA_TARGET = '/synapse_media';

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
 * Host paths of single files: all that are mounted, homeserver.yaml and signing.key in the storage, and those of the
 * option `files` (separated by blanks). Those of the option must be there; of the others those that are.
 */
export async function filesOf(spec: MemberSpec): Promise<readonly string[]> {
  const named = (spec.engineOptions['files'] ?? '').split(/\s+/).filter((path) => path !== '');
  const usual = ['homeserver.yaml', 'signing.key', 'log.config'];
  const found = await filesAmong([
    ...spec.mounts.map(({ source }) => source),
    ...usual.map((name) => join(spec.storage, name)),
  ]);
  return [...new Set([...named, ...found])].sort();
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
