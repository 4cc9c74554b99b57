// Which file sets a sysctl at boot, in the order of systemd-sysctl and `sysctl --system`. Reads
// only.
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { HostRoots } from './check.js';
import { readText } from './kernel-files.js';
import type { Setting } from './sysctl-rules.js';

export interface Assignment extends Setting {
  readonly file: string;
}

/** The directory that /etc is in: the other directories of sysctl.d are found from there. */
export function rootOf(roots: HostRoots): string {
  return dirname(resolve(roots.etc));
}

/**
 * Directories by precedence: of two files of one name the first directory's is read (sysctl.d(5)).
 */
function sysctlDirectories(roots: HostRoots): readonly string[] {
  const root = rootOf(roots);
  return [
    join(roots.etc, 'sysctl.d'),
    join(root, 'run/sysctl.d'),
    join(root, 'usr/local/lib/sysctl.d'),
    join(root, 'usr/lib/sysctl.d'),
    join(root, 'lib/sysctl.d'),
  ];
}

/**
 * Every assignment in the order in which it is made: files by their name, whatever their directory;
 * a name in an earlier directory hides the same name in a later one (a link to /dev/null masks it).
 * /etc/sysctl.conf is read last by `sysctl --system`; systemd reads it only through a link in
 * sysctl.d, which then counts here. Globs are left out: a key that is set explicitly anywhere is
 * exempt from them. Source: sysctl.d(5), sysctl(8).
 */
export function readAssignments(roots: HostRoots): readonly Assignment[] {
  const files = new Map<string, string>();
  for (const directory of sysctlDirectories(roots)) {
    for (const name of listNames(directory))
      if (name.endsWith('.conf') && !files.has(name)) files.set(name, join(directory, name));
  }
  const ordered = [...files.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
  const last = join(roots.etc, 'sysctl.conf');
  if (existsSync(last)) ordered.push(last);
  return ordered.flatMap((file) => parseAssignments(readText(file) ?? '', file));
}

function listNames(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/**
 * `vm.dirty_ratio = 4`, `vm/dirty_ratio=4` and `-vm.dirty_ratio = 4` (errors ignored) are one
 * thing.
 */
export function parseAssignments(text: string, file: string): readonly Assignment[] {
  const found: Assignment[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*-?\s*([^#;=\s][^=\s]*)\s*=\s*(.*?)\s*$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    if (/[*?[]/.test(match[1])) continue;
    found.push({ key: dotted(match[1]), value: match[2], file });
  }
  return found;
}

/** If the first separator is a slash, slashes separate; else dots do (sysctl.d(5)). */
function dotted(key: string): string {
  const first = /[./]/.exec(key)?.[0];
  return first === '/' ? key.replaceAll('/', '.') : key;
}

/**
 * The file that has the last word on a setting at boot, if that is not `own` and it says something
 * else. `keys`: the sysctl and its twin; setting either undoes the other.
 */
export function findLaterFile(
  roots: HostRoots,
  wanted: Setting,
  options: { readonly keys: readonly string[]; readonly own: string },
): string | undefined {
  const ownName = basename(options.own);
  const later = readAssignments(roots).filter(
    ({ file, key }) =>
      file !== options.own && basename(file) > ownName && options.keys.includes(key),
  );
  const final = later.at(-1);
  if (final === undefined || (final.key === wanted.key && final.value === wanted.value))
    return undefined;
  return `${describeFile(final.file)} (${final.key} = ${final.value})`;
}

/** A link is named with its target: that is the file to edit. */
function describeFile(file: string): string {
  try {
    return `${file} -> ${readlinkSync(file)}`;
  } catch {
    return file;
  }
}
