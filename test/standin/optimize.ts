// `onboot:optimize` as a cell takes it: not known before 2.124, where a cell does not start with a key that it does not
// know; later a part of the boot before its socket listens, told by log lines.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { say, type Settings } from './settings.js';

const SINCE = 124;

export async function optimizeAtBoot({ storage, minor, migrateMs }: Settings): Promise<void> {
  const mods = textOf(join(storage, 'cell.mods.yaml'));
  if (!/^"?onboot:optimize"?: true$/m.test(mods)) return;
  if (minor < SINCE) throw new Error('BadConfValu: onboot:optimize is no key of this cell');
  say('Beginning onboot optimization (this could take a while)...', 'WARNING');
  await delay(migrateMs);
  say('... onboot optimization complete!', 'WARNING');
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
