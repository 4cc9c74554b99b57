// The steps that empty a stopped member's storage and fill it anew. Must never touch the storage of one that may run,
// nor fill one whose marker does not say that it is being filled: whatever it then holds could be started (I2).
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { backupNamed } from './backups/backup-named.js';
import { whileHeld } from './backups/pins.js';
import { asidePathOf, emptyStorage } from './empty-storage.js';
import { engineMember } from './engines/engine-member.js';
import type { Hands } from './hands.js';
import { readMarker, realPathOf } from './marker.js';
import { areOwnFilesKept, bringOwnFiles, keepOwnFiles } from './own-files.js';
import { mayRun } from './plan/stopped.js';
import type { Step } from './plan/steps.js';
import { wipeStorage } from './storage-content.js';
import type { Runtime } from './runtimes/runtime.js';

export interface FillTurn {
  readonly intent: MemberIntent;
  readonly hands: Hands;
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

export async function performFill(
  step: Extract<Step, { kind: 'set-aside' | 'seed' }>,
  { intent, hands, onProgress, signal }: FillTurn,
): Promise<void> {
  const what = `${step.kind} ${step.member}`;
  await assertAtRest(what, intent, [hands.runtimeOf(intent)], signal);
  const turn = { intent, hands, onProgress, signal };
  if (step.kind === 'set-aside') {
    if (step.backup !== undefined) await keepOwn(step, step.backup, turn);
    return emptyStorage(intent, step.emptying, hands, signal);
  }
  await assertSeeding(what, intent.spec.storage);
  await wipeStorage(intent.spec, signal);
  const { upstreamUrl, backup } = step;
  if (backup !== undefined) return fillFromBackup(step, backup, turn);
  const options = { upstreamUrl, onProgress };
  await hands.engineOf(intent).seed(engineMember(intent), options, signal);
}

/** What is not in the backup is kept before anything is taken away. */
async function keepOwn(
  { member, emptying }: Extract<Step, { kind: 'set-aside' }>,
  name: string,
  { intent, hands, signal }: FillTurn,
): Promise<void> {
  const storage = await realPathOf(intent.spec.storage);
  const wasBegun = hands.journal.state.fillings?.[storage]?.id === emptying.id;
  const aside = asidePathOf(storage, emptying.id);
  // Before the backup is looked for: one below a storage that an earlier agent moved aside is there with it.
  if (await areOwnFilesKept(storage, { aside, wasBegun })) return;
  const { catalogue } = backupsOf(hands);
  const found = await backupNamed({ what: `empty ${member}`, name, intent }, catalogue);
  const engine = hands.engineOf(intent);
  await keepOwnFiles({ intent, storage, backupPath: found.path, engine }, signal);
}

/** It is read, so nothing may remove it meanwhile (I13). */
async function fillFromBackup(
  { member, upstreamUrl, emptiedFor = '' }: Extract<Step, { kind: 'seed' }>,
  name: string,
  { intent, hands, onProgress, signal }: FillTurn,
): Promise<void> {
  const what = `fill ${member}`;
  const { catalogue, pins } = backupsOf(hands);
  const found = await backupNamed({ what, name, intent }, catalogue);
  const { fromBackup } = hands.engineOf(intent);
  if (fromBackup === undefined)
    throw new LeafwardError('refused', `${what}: its kind cannot be made a mirror of a backup`);
  const storage = await realPathOf(intent.spec.storage);
  const ownPath = await bringOwnFiles(storage, asidePathOf(storage, emptiedFor));
  const { path: backupPath } = found;
  const options = { backupPath, ownPath, upstreamUrl, onProgress };
  const fill = (): Promise<void> => fromBackup.fill(engineMember(intent), options, signal);
  await whileHeld(pins, backupPath, fill);
}

function backupsOf({ backups }: Hands): NonNullable<Hands['backups']> {
  if (backups !== undefined) return backups;
  throw new LeafwardError(
    'refused',
    'this agent keeps no backups that anything could be filled from',
  );
}

/**
 * `runtimes`: the member's own first. @throws LeafwardError `refused` when it runs, when nobody knows, or when anything
 * else that one of them knows of runs on its storage (I9).
 */
export async function assertAtRest(
  what: string,
  { member, spec }: MemberIntent,
  runtimes: readonly [Runtime, ...Runtime[]],
  signal: AbortSignal,
): Promise<void> {
  const refuse = (why: string): never => {
    throw new LeafwardError('refused', `${what}: ${why}; its storage is not touched`, {
      retry: 'later',
    });
  };
  const { state } = await runtimes[0].inspect(member, signal);
  if (mayRun(state) || state === 'unknown') refuse(`it is ${state}`);
  const storage = await realPathOf(spec.storage);
  for (const runtime of new Set(runtimes))
    for (const { name, running, writes, ...other } of await runtime.list(signal)) {
      if (!running || other.member === member) continue;
      const written = await Promise.all(writes.map(realPathOf));
      if (written.includes(storage)) refuse(`${name} runs on ${spec.storage} (I9)`);
    }
}

async function assertSeeding(what: string, storage: string): Promise<void> {
  const reading = await readMarker(storage);
  const marker = reading.kind === 'found' ? reading.marker : undefined;
  if (marker?.seeding !== undefined && marker.retired === undefined) return;
  throw new LeafwardError(
    'refused',
    `${what}: the marker in ${storage} does not say that it is being filled; nothing is wiped`,
    { retry: 'later' },
  );
}
