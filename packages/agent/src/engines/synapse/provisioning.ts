// The one-time URL in a cell's storage: aha:provision in cell.yaml, which the cell reads at its first start, weaker only
// than its environment; prov.done says that it was used. In no container's environment, where `inspect` would show it.
import { join } from 'node:path';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';
import { isThere } from '../../backups/place.js';
import type { ProvisioningFiles } from '../engine.js';
import { readYamlKey, removeYamlKey, writeYamlKey } from './durable-yaml.js';

const FILE = 'cell.yaml';
const KEY = 'aha:provision';

type Storage = Pick<MemberSpec, 'storage'>;

/** @throws LeafwardError `failed` for a file that cannot be read. */
export async function readProvisioningFiles({ storage }: Storage): Promise<ProvisioningFiles> {
  const [url, provisioned] = await Promise.all([
    readYamlKey(join(storage, FILE), KEY),
    isThere(join(storage, 'prov.done')),
  ]);
  return { offered: typeof url === 'string', provisioned };
}

/** A new file is 0600 and its directory's owner's. @throws LeafwardError `failed`. */
export const offerUrl = ({ storage }: Storage, url: string): Promise<void> =>
  writeYamlKey(join(storage, FILE), KEY, url);

/** @throws LeafwardError `failed`. */
export const clearUrl = ({ storage }: Storage): Promise<void> =>
  removeYamlKey(join(storage, FILE), KEY);
