// How a member's program sees a directory of the host: the same for a process, below one of its mounts in a container.
import { posix, relative } from 'node:path';
import type { MemberSpec, Mount } from '@leafward/shared/gen/domain.js';

/** Undefined: none of its mounts holds it. The longest mount counts. */
export function seenPath(spec: MemberSpec, path: string): string | undefined {
  if (spec.runtime === 'process') return path;
  const storage: Mount = { source: spec.storage, target: spec.storageTarget, readOnly: false };
  const holders = [storage, ...spec.mounts].filter((mount) => isBelow(mount.source, path));
  const [nearest] = holders.sort((a, b) => b.source.length - a.source.length);
  return nearest === undefined
    ? undefined
    : posix.join(nearest.target, relative(nearest.source, path));
}

function isBelow(source: string, path: string): boolean {
  return path === source || path.startsWith(source.endsWith('/') ? source : `${source}/`);
}
