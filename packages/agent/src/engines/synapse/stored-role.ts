// What a start from a cell's storage would do, and the one file that decides it: cell.mods.yaml.
import { join } from 'node:path';
import { assert } from '@leafward/shared/assert.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';
import { isThere } from '../../backups/place.js';
import type { StoredRole, WantedRole } from '../engine.js';
import { readYamlKey, writeYamlKey } from './durable-yaml.js';

/** Wins over cell.yaml and over the environment. */
const OVERRIDES = 'cell.mods.yaml';
/** A storage with this file has been a cell's before. */
const IDENTITY = 'cell.guid';
/** Nothing listens there: a cell that mirrors it waits, read-only, for ever. */
const NOWHERE = 'tcp://127.0.0.1:1/retired';

/** Throws `failed` for a YAML file that cannot be read. */
export async function readStoredRole(spec: MemberSpec): Promise<StoredRole> {
  for (const file of [OVERRIDES, 'cell.yaml']) {
    const mirror = await readYamlKey(join(spec.storage, file), 'mirror');
    if (mirror === null) return { upstreamUrl: null };
    if (typeof mirror === 'string') return { upstreamUrl: mirror };
  }
  if (!(await isThere(join(spec.storage, IDENTITY)))) return { upstreamUrl: undefined };
  return { upstreamUrl: mirrorInEnvironment(spec) ?? null };
}

/** Throws `not-found` when there is no storage. */
export async function writeRole(spec: MemberSpec, wanted: WantedRole): Promise<void> {
  if (!(await isThere(spec.storage))) {
    const text = `write role into ${spec.storage}: no such directory; make it or mount it first`;
    throw new LeafwardError('not-found', text);
  }
  assert(
    wanted.role === 'leader' || wanted.upstreamUrl !== undefined,
    `a mirror in ${spec.storage} needs an upstream`,
  );
  const mirror = wanted.role === 'leader' ? null : (wanted.upstreamUrl ?? null);
  await writeYamlKey(join(spec.storage, OVERRIDES), 'mirror', mirror);
}

/** A start by hand then mirrors the new leader, or nothing at all, and never leads. */
export async function writeRetired(
  spec: MemberSpec,
  newLeaderUrl: string | undefined,
): Promise<void> {
  await writeRole(spec, { role: 'mirror', upstreamUrl: newLeaderUrl ?? NOWHERE });
}

/** `SYN_CORTEX_MIRROR` for a cortex: the weakest of the places that may say it. */
function mirrorInEnvironment(spec: MemberSpec): string | undefined {
  const names = Object.keys(spec.environment).filter((name) => /^SYN_[A-Z]+_MIRROR$/.test(name));
  return names.map((name) => spec.environment[name]).find((value) => value !== '');
}
