// One look at a running cell: as few calls as its version allows, sent together on the held link.
import type { EngineFact } from '@leafward/shared/gen/domain.js';
import type { EngineMember } from '../engine.js';
import { readStoredRole } from './stored-role.js';
import { withoutPassword } from './telepath/address.js';
import type { Link } from './telepath/link.js';
import {
  booleanOf,
  listOf,
  mapOf,
  numberOf,
  stringOf,
  type Value,
  type ValueMap,
} from './telepath/value.js';
import { isAtLeast, MIRROR_IN_INFO, POSITION_IN_INFO, RUN_IN_INFO } from './version.js';

/** A healthy cell answers in a millisecond; one that needs this long is hung for whoever depends on it. */
export const OBSERVE_DEADLINE_MS = 5_000;

/** The `cell` part of getCellInfo with the version. */
export interface CellInfo {
  readonly version: string | undefined;
  readonly iden: string | undefined;
  readonly active: boolean | undefined;
  readonly cell: ValueMap;
}

export function readCellInfo(value: Value): CellInfo {
  const info = mapOf(value);
  const cell = mapOf(info['cell']);
  return {
    version: stringOf(mapOf(info['synapse'])['verstring']),
    iden: stringOf(cell['iden']),
    active: booleanOf(cell['active']),
    cell,
  };
}

/** Throws what Link.call throws. `withHealth` costs one call more. */
export async function observeCell(
  link: Link,
  member: EngineMember,
  withHealth: boolean,
  signal: AbortSignal,
): Promise<EngineFact> {
  const ask = (method: string): Promise<Value> =>
    link.call({ method }, OBSERVE_DEADLINE_MS, signal);
  const needsPosition = isAtLeast(link.version, POSITION_IN_INFO) !== true;
  const needsRun = isAtLeast(link.version, RUN_IN_INFO) !== true;
  const [info, position, runId, health] = await Promise.all([
    ask('getCellInfo'),
    needsPosition ? ask('getNexsIndx') : undefined,
    needsRun ? ask('getCellRunId') : undefined,
    withHealth ? ask('getHealthCheck') : undefined,
  ]);
  const { version, iden, active, cell } = readCellInfo(info);
  return {
    answered: true,
    version: version ?? link.version,
    iden,
    runId: stringOf(runId) ?? stringOf(cell['run']),
    active,
    ready: booleanOf(cell['ready']),
    uplink: booleanOf(cell['uplink']),
    readOnly: booleanOf(mapOf(cell['nexus'])['readonly']),
    paused: booleanOf(cell['paused']),
    position: numberOf(position) ?? numberOf(cell['nexsindx']),
    upstreamUrl: active === true ? undefined : await upstreamOf(member, version, cell),
    health: health === undefined ? undefined : renderHealth(health),
  };
}

/** The mirror URL by the cell's own word, and before it gave one, by its files; with no password. */
export async function upstreamOf(
  member: EngineMember,
  version: string | undefined,
  cell: ValueMap,
): Promise<string | undefined> {
  const told = stringOf(cell['mirror']);
  const url =
    isAtLeast(version, MIRROR_IN_INFO) === true
      ? told
      : (told ?? (await readStoredRole(member.spec)).upstreamUrl ?? undefined);
  return url === undefined ? undefined : withoutPassword(url);
}

/** `nominal`, or the worst status with the components that have it. */
function renderHealth(value: Value): string | undefined {
  const status = stringOf(mapOf(value)['status']);
  if (status === undefined || status === 'nominal') return status;
  const sick = listOf(mapOf(value)['components'])
    .map(mapOf)
    .filter((component) => component['status'] !== 'nominal')
    .map((component) => `${stringOf(component['name'])}: ${stringOf(component['mesg']) ?? ''}`);
  return [status, ...sick.slice(0, 5)].join('; ');
}
