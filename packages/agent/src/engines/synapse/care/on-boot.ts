// The key that makes a cell optimize its databases at its next start. Wins over the environment; a running cell reads it
// no more, and adds keys of its own to the file by reading it first.
import { join } from 'node:path';
import { removeYamlKey, writeYamlKey } from '../durable-yaml.js';

const OVERRIDES = 'cell.mods.yaml';
const KEY = 'onboot:optimize';

export async function writeFlag(storage: string, on: boolean): Promise<void> {
  const path = join(storage, OVERRIDES);
  await (on ? writeYamlKey(path, KEY, true) : removeYamlKey(path, KEY));
}
