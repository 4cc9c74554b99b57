// Whether a backup is still what it was: every file is read again and held against the manifest beside it. Changes
// nothing, and never takes a manifest that is another one for the backup's own.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { messageOf } from '@leafward/shared/errors.js';
import type { Backup, Verification } from '@leafward/shared/gen/domain.js';
import { hashFiles, type HashOptions } from './manifest.js';

/** A report must fit into a message, whatever was deleted. */
const MOST_PROBLEMS = 20;
const MOST_NAME = 200;

/** @throws LeafwardError `failed` when something writes there meanwhile, `aborted`. */
export async function verifyFiles(
  backup: Backup,
  manifestPath: string,
  options: Omit<HashOptions, 'onUnreadable'>,
  signal: AbortSignal,
): Promise<Verification> {
  const { clock } = options;
  const beganAt = clock.monotonic();
  const unreadable = new Map<string, string>();
  const onUnreadable = (name: string, error: unknown): void =>
    void unreadable.set(name, messageOf(error));
  const wanted = await readManifest(backup, manifestPath);
  const found = await hashFiles(backup.path, { ...options, onUnreadable }, signal);
  const problems =
    wanted === undefined
      ? ['its manifest is gone, or not the one that was written with it']
      : differences(wanted, entriesOf(found.text), unreadable);
  return {
    at: clock.now(),
    ok: problems.length === 0,
    files: found.files,
    bytes: found.sizeBytes,
    tookMs: Math.round(clock.monotonic() - beganAt),
    problems: shortened(problems),
  };
}

/** By file name: the rest of its line. */
type Entries = ReadonlyMap<string, Entry>;

interface Entry {
  readonly sha256: string;
  readonly size: string;
  /** Octal. Manifests of before have none, and links. */
  readonly mode: string | undefined;
}

/** Undefined: nothing that the backup could be held against. */
async function readManifest(backup: Backup, path: string): Promise<Entries | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const sha256 = createHash('sha256').update(text).digest('hex');
  return sha256 === backup.manifestSha256 ? entriesOf(text) : undefined;
}

/** Lines as manifest.ts writes them. */
function entriesOf(text: string): Entries {
  const lines = text.split('\n').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [sha256 = '', size = ''] = line.split(' ', 2);
      const rest = line.slice(sha256.length + size.length + 2);
      const end = rest.lastIndexOf('"') + 1;
      const mode = rest.slice(end + 1);
      const name = JSON.parse(rest.slice(0, end)) as string;
      return [name, { sha256, size, mode: mode === '' ? undefined : mode }];
    }),
  );
}

function differences(
  wanted: Entries,
  found: Entries,
  unreadable: ReadonlyMap<string, string>,
): readonly string[] {
  const problems: string[] = [];
  for (const [name, { sha256, size, mode }] of wanted) {
    const now = found.get(name);
    const why = unreadable.get(name);
    if (why !== undefined) problems.push(`${shown(name)} cannot be read: ${why}`);
    else if (now === undefined) problems.push(`${shown(name)} is missing`);
    else if (now.size !== size)
      problems.push(`${shown(name)} has another size: ${now.size}, was ${size}`);
    else if (now.sha256 !== sha256)
      problems.push(`${shown(name)} has other content, of the same size`);
    else if (mode !== undefined && now.mode !== mode)
      problems.push(`${shown(name)} has another mode: ${now.mode ?? 'none'}, was ${mode}`);
  }
  for (const name of [...found.keys(), ...unreadable.keys()])
    if (!wanted.has(name)) problems.push(`${shown(name)} is not of the backup`);
  return problems;
}

const shown = (name: string): string =>
  name.length <= MOST_NAME ? name : `${name.slice(0, MOST_NAME)}…`;

function shortened(problems: readonly string[]): readonly string[] {
  if (problems.length <= MOST_PROBLEMS) return problems;
  const rest = problems.length - (MOST_PROBLEMS - 1);
  return [...problems.slice(0, MOST_PROBLEMS - 1), `and ${rest} more`];
}
