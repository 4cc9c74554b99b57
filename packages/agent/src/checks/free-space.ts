// Figures that the three checks on free space share: the volume, what the member has there, what
// its configuration says. Reads only.
import { join } from 'node:path';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { messageOf } from '@leafward/shared/errors.js';
import { readPlainYaml } from '../engines/synapse/plain-yaml.js';
import { createTextCache } from '../text-cache.js';
import type { CheckContext, CheckResult } from './check.js';
import { createSingleFlight } from './single-flight.js';
import { readVolume, storagesOf, type Volume } from './volumes.js';

export interface StorageRoom {
  readonly path: string;
  readonly members: readonly MemberIntent[];
  readonly volume: Volume;
  readonly dataBytes: number | undefined;
}

/** Runs `judge` for each storage; a volume that cannot be read is a result of severity unknown. */
export async function judgeStorages(
  context: CheckContext,
  signal: AbortSignal,
  judge: (room: StorageRoom) => Promise<CheckResult> | CheckResult,
): Promise<readonly CheckResult[]> {
  const storages = [...storagesOf(context.members)];
  return await Promise.all(
    storages.map(async ([path, members]) => {
      try {
        const volume = await readVolume(context.roots, path, signal);
        return await judge({ path, members, volume, dataBytes: context.dataBytes.get(path) });
      } catch (error) {
        return {
          subject: path,
          severity: 'unknown' as const,
          seen: messageOf(error),
          wanted: 'a volume that answers',
          fix: 'look at the volume: mount, dmesg',
        };
      }
    }),
  );
}

/**
 * Where a live backup lands: the declared directory, `backup:dir` of the service, else inside the
 * storage.
 */
export async function backupDirectoryOf(member: MemberIntent): Promise<string | undefined> {
  const { spec } = member;
  if (spec.backupDirectory !== undefined) return spec.backupDirectory;
  const configured = await readCellOption(member, 'backup:dir');
  if (typeof configured !== 'string') return undefined;
  const mount = spec.mounts.find(
    ({ target }) => configured === target || configured.startsWith(`${target}/`),
  );
  if (mount !== undefined) return mount.source + configured.slice(mount.target.length);
  return spec.runtime === 'process' ? configured : undefined;
}

/**
 * An option of a Synapse cell, in its own order of precedence: cell.mods.yaml, cell.yaml, the
 * environment (SYN_<KIND>_<OPTION>). Undefined when it is set nowhere or the files cannot be
 * parsed.
 */
export async function readCellOption(member: MemberIntent, name: string): Promise<unknown> {
  for (const file of ['cell.mods.yaml', 'cell.yaml']) {
    const value = await readYamlKey(join(member.spec.storage, file), name);
    if (value !== undefined) return value;
  }
  const suffix = `_${name.replaceAll(':', '_').toUpperCase()}`;
  const found = Object.entries(member.spec.environment).find(
    ([key]) => key.startsWith('SYN_') && key.endsWith(suffix),
  );
  return found?.[1];
}

/** A storage that hangs holds one call, never the agent; it is a finding of its own. */
const READ_DEADLINE_MS = 2000;
const flight = createSingleFlight();
const texts = createTextCache();

async function readYamlKey(path: string, key: string): Promise<unknown> {
  try {
    const text = await flight(`read ${path}`, () => texts.read(path), {
      deadlineMs: READ_DEADLINE_MS,
    });
    const plain = readPlainYaml(text);
    if (plain !== undefined) return plain.get(key);
    const { parse } = await import('yaml');
    const document: unknown = parse(text);
    if (typeof document !== 'object' || document === null) return undefined;
    return (document as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}
