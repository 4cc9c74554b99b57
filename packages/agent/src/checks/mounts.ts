// Which mount a path is on, from /proc/self/mountinfo. Pure but for the read; never touches the
// path itself, since a look at a dead network mount hangs.
import { join } from 'node:path';
import type { HostRoots } from './check.js';
import { readText } from './kernel-files.js';

export interface MountPoint {
  readonly path: string;
  /** major:minor as in /proc/diskstats; 0:… for file systems without a device. */
  readonly device: string;
  readonly fileSystem: string;
  readonly source: string;
}

export function readMounts(roots: HostRoots): readonly MountPoint[] {
  const text = readText(join(roots.proc, 'self/mountinfo')) ?? '';
  if (text !== last.text) last = { text, mounts: parseMounts(text) };
  return last.mounts;
}

/** It is read for every volume at every look and hardly ever changes. */
let last: { readonly text: string; readonly mounts: readonly MountPoint[] } = {
  text: '',
  mounts: [],
};

/** Source of the format: proc_pid_mountinfo(5). */
export function parseMounts(text: string): readonly MountPoint[] {
  return text.split('\n').flatMap((line) => {
    const [left, right] = line.split(' - ');
    const fields = left?.split(' ') ?? [];
    const [fileSystem, source] = right?.split(' ') ?? [];
    const [device, path] = [fields[2], fields[4]];
    if (device === undefined || path === undefined || fileSystem === undefined) return [];
    return [{ path: unescape(path), device, fileSystem, source: unescape(source ?? '') }];
  });
}

/** The mount with the longest matching path; of equal ones the later, which hides the earlier. */
export function mountOf(mounts: readonly MountPoint[], path: string): MountPoint | undefined {
  let best: MountPoint | undefined;
  for (const mount of mounts) {
    if (isWithin(path, mount.path) && mount.path.length >= (best?.path.length ?? 0)) best = mount;
  }
  return best;
}

/** True for the directory itself and everything below it. Both absolute. */
export function isWithin(path: string, directory: string): boolean {
  const base = directory.endsWith('/') ? directory : `${directory}/`;
  return path === directory || path.startsWith(base);
}

/** Spaces, tabs, newlines and backslashes are octal there. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
