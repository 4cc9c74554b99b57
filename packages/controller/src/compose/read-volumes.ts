// Volumes of a compose file's service, as absolute paths of the host. Pure.
import { join, resolve } from 'node:path';
import type { Path } from '@leafward/shared/manifest/locate.js';
import type { ComposeVolume } from './compose-file.js';
import { entriesOf, listOf, type Reading } from './reading.js';

/** Where an Engine keeps named volumes, unless it was told otherwise. */
const VOLUMES = '/var/lib/docker/volumes';

export function readVolumes(
  service: string,
  value: unknown,
  reading: Reading,
): readonly ComposeVolume[] {
  return listOf(value).flatMap((one, index): readonly ComposeVolume[] => {
    const path: Path = ['services', service, 'volumes', index];
    const said = saidBy(one, path, reading);
    if (said === undefined) return [];
    const { source, target, readOnly } = said;
    if (/^[./~]/.test(source)) return [{ source: hostPath(source, reading), target, readOnly }];
    const volume = volumeName(source, path, reading);
    return [{ source: join(VOLUMES, volume, '_data'), target, readOnly, volume }];
  });
}

interface Said {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

function saidBy(one: unknown, path: Path, { textAt, tell }: Reading): Said | undefined {
  const long = entriesOf(one);
  if (long !== undefined) {
    const type = textAt(long['type'], path) ?? 'volume';
    const source = textAt(long['source'], path);
    const target = textAt(long['target'], path);
    if (type === 'tmpfs' || source === undefined || target === undefined) {
      tell(path, `a volume of type ${type} without a source has no place on the host`);
      return undefined;
    }
    return { source, target, readOnly: long['read_only'] === true };
  }
  const [source, target, mode = ''] = (textAt(one, path) ?? '').split(':');
  if (source === undefined || target === undefined || target === '') {
    tell(path, 'an anonymous volume has no name that could be found again');
    return undefined;
  }
  return { source, target, readOnly: mode.split(',').includes('ro') };
}

function hostPath(source: string, { directory, variables }: Reading): string {
  const home = variables['HOME'] ?? '/root';
  return resolve(directory, source.replace(/^~(?=\/|$)/, home));
}

function volumeName(source: string, path: Path, { root, project, textAt }: Reading): string {
  const declared = entriesOf(entriesOf(root['volumes'])?.[source]);
  const name = textAt(declared?.['name'], path);
  return name ?? (declared?.['external'] === true ? source : `${project}_${source}`);
}
