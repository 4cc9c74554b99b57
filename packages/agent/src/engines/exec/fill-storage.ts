// Fills the empty storage of a stopped member in the words of its kind: from its upstream, or from a backup. What the
// command leaves to be said about the role is said here.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { ContainerSpec } from '../../runtimes/runtime.js';
import { throttled } from './progress.js';
import { act, has, type Talk } from './run-command.js';
import { seenPath } from './seen-path.js';
import { readStoredRole, writeRole } from './stored-role.js';

/** Where a one-off container finds a backup that none of the member's own mounts holds. */
const BACKUP_TARGET = '/leafward/backup';

export async function seed(
  talk: Talk,
  options: { readonly upstreamUrl: string; readonly onProgress: (text: string) => void },
  signal: AbortSignal,
): Promise<void> {
  const { upstreamUrl } = options;
  const onLine = throttled(talk, options.onProgress);
  await act(talk, 'seed', { fill: { upstreamUrl }, onLine }, signal);
  if (!has(talk, 'storedUpstream')) return;
  if ((await readStoredRole(talk, signal)).upstreamUrl === upstreamUrl) return;
  await writeRole(talk, { role: 'mirror', upstreamUrl }, signal);
  await requireStored(talk, upstreamUrl, signal);
}

/** It leads afterwards. */
export async function restore(talk: Talk, options: Putting, signal: AbortSignal): Promise<void> {
  await putBack(talk, options, signal);
  if (!has(talk, 'storedUpstream')) return;
  if ((await readStoredRole(talk, signal)).upstreamUrl === null) return;
  await writeRole(talk, { role: 'leader' }, signal);
  await requireStored(talk, null, signal);
}

/** @throws LeafwardError `refused` for a kind whose commands cannot make a mirror of a backup. */
export async function refuseFromBackup(talk: Talk): Promise<void> {
  const needed = ['restore', 'setUpstream', 'storedUpstream'] as const;
  const missing = needed.filter((name) => !has(talk, name));
  if (missing.length === 0) return;
  throw new LeafwardError(
    'refused',
    `fill ${talk.member.member} from a backup: its kind has no command ${missing.join(', ')}; nothing was touched`,
  );
}

/** It mirrors afterwards, from where the log of the backup ends. */
export async function restoreAsMirror(
  talk: Talk,
  { upstreamUrl, ...options }: Putting & { readonly upstreamUrl: string },
  signal: AbortSignal,
): Promise<void> {
  await refuseFromBackup(talk);
  await putBack(talk, options, signal);
  await writeRole(talk, { role: 'mirror', upstreamUrl }, signal);
  await requireStored(talk, upstreamUrl, signal);
}

interface Putting {
  readonly backupPath: string;
  readonly onProgress: (text: string) => void;
}

async function putBack(talk: Talk, options: Putting, signal: AbortSignal): Promise<void> {
  const { backupPath } = options;
  const seen = seenPath(talk.member.spec, backupPath);
  const own = talk.parts.containerOf(talk.member);
  const container = seen === undefined ? withBackup(own, backupPath) : own;
  const fill = { backup: { host: backupPath, member: seen ?? BACKUP_TARGET } };
  const onLine = throttled(talk, options.onProgress);
  await act(talk, 'restore', { fill, onLine, container }, signal);
}

function withBackup(container: ContainerSpec, source: string): ContainerSpec {
  const mount = { source, target: BACKUP_TARGET, readOnly: true };
  const { spec } = container;
  return { ...container, spec: { ...spec, mounts: [...spec.mounts, mount] } };
}

/** I1: what was meant to mirror must not lead at its next start, and the other way round. */
async function requireStored(
  talk: Talk,
  wanted: string | null,
  signal: AbortSignal,
): Promise<void> {
  const { upstreamUrl } = await readStoredRole(talk, signal);
  if (upstreamUrl === wanted) return;
  const words = (url: string | null | undefined): string =>
    url === undefined ? 'nothing' : (url ?? 'that it leads');
  throw new LeafwardError(
    'failed',
    `fill the storage of ${talk.member.member}: it was to say ${words(wanted)} and its command ` +
      `storedUpstream says ${words(upstreamUrl)}; see that the two speak of one thing`,
  );
}
