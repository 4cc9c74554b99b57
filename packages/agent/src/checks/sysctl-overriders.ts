// Programs that set sysctls after sysctl.d was read: tuned and cloud-init. Reads their files only.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { HostRoots } from './check.js';
import { readText } from './kernel-files.js';
import { findLaterFile, rootOf } from './sysctl-order.js';
import type { Setting } from './sysctl-rules.js';

/** A profile may include another, which may include another; tuned's own are three deep. */
const MAX_INCLUDES = 8;

/**
 * Who would override a setting made in `own` at the next boot, in words with the file; undefined:
 * nobody. `keys`: the sysctl and its `*_bytes` twin.
 */
export function findOverride(
  roots: HostRoots,
  wanted: Setting,
  options: { readonly keys: readonly string[]; readonly own: string },
): string | undefined {
  return (
    findLaterFile(roots, wanted, options) ??
    findTuned(roots, wanted, options.keys) ??
    findCloudInit(roots, options.keys)
  );
}

/**
 * The active profile of tuned. With `reapply_sysctl` (the default) tuned reads sysctl.d again after
 * its own [sysctl] section, so that only counts when it is off; its [vm] section is applied in any
 * case.
 * Source: tuned-main.conf(5).
 */
function findTuned(roots: HostRoots, wanted: Setting, keys: readonly string[]): string | undefined {
  const active = readText(join(roots.etc, 'tuned/active_profile'))?.trim();
  if (active === undefined || active === '') return undefined;
  const main = readText(join(roots.etc, 'tuned/tuned-main.conf')) ?? '';
  const reapplies = !/^\s*reapply_sysctl\s*=\s*(0|false)\s*$/im.test(main);
  for (const profile of active.split(/\s+/)) {
    const found = findInProfile(roots, profile, { wanted, keys, reapplies }, 0);
    if (found !== undefined) return `tuned profile ${profile}: ${found}`;
  }
  return undefined;
}

interface TunedQuery {
  readonly wanted: Setting;
  readonly keys: readonly string[];
  readonly reapplies: boolean;
}

function findInProfile(
  roots: HostRoots,
  profile: string,
  query: TunedQuery,
  depth: number,
): string | undefined {
  const profiles = [
    join(roots.etc, 'tuned/profiles'),
    join(roots.etc, 'tuned'),
    join(rootOf(roots), 'usr/lib/tuned/profiles'),
    join(rootOf(roots), 'usr/lib/tuned'),
  ];
  for (const directory of profiles) {
    const file = join(directory, profile, 'tuned.conf');
    const text = readText(file);
    if (text === undefined) continue;
    const found = findInSections(text, query);
    if (found !== undefined) return `${file} (${found})`;
    const included = /^\s*include\s*=\s*(\S+)/m.exec(text)?.[1];
    if (included === undefined || depth >= MAX_INCLUDES) return undefined;
    return findInProfile(roots, included, query, depth + 1);
  }
  return undefined;
}

function findInSections(text: string, query: TunedQuery): string | undefined {
  let section = '';
  for (const line of text.split('\n')) {
    const header = /^\s*\[([^\]]+)\]/.exec(line)?.[1];
    if (header !== undefined) section = header;
    const pair = /^\s*([\w./-]+)\s*=\s*>?\s*(.*?)\s*$/.exec(line);
    if (pair?.[1] === undefined || pair[2] === undefined) continue;
    const name = section === 'vm' ? `vm.${pair[1]}` : pair[1].replaceAll('/', '.');
    const counts = section === 'vm' || (section === 'sysctl' && !query.reapplies);
    if (!counts || !query.keys.includes(name)) continue;
    if (name === query.wanted.key && pair[2] === query.wanted.value) continue;
    return `${name} = ${pair[2]}`;
  }
  return undefined;
}

/**
 * Configuration of cloud-init that names the key: runcmd and bootcmd run at every or the first
 * boot.
 */
function findCloudInit(roots: HostRoots, keys: readonly string[]): string | undefined {
  const directory = join(roots.etc, 'cloud');
  const files = [
    join(directory, 'cloud.cfg'),
    ...listConfigurations(join(directory, 'cloud.cfg.d')),
  ];
  for (const file of files) {
    const text = (readText(file) ?? '').replaceAll(/^\s*#.*$/gm, '');
    const key = keys.find(
      (name) => text.includes(name) || text.includes(name.replaceAll('.', '/')),
    );
    if (key !== undefined) return `cloud-init: ${file} (names ${key})`;
  }
  return undefined;
}

function listConfigurations(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith('.cfg'))
      .sort()
      .map((name) => join(directory, name));
  } catch {
    return [];
  }
}
