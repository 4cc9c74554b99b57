// A stopped member's storage is filled by a migration tool from the data of a service of before, which is only read. What
// lay there is set aside. Broken off anywhere, the same act goes on from the tool's checkpoint; nothing starts from a
// storage that is not filled to the end.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { measureData } from '../../checks/data-meter.js';
import { emptyStorage } from '../../empty-storage.js';
import { readMarker, realPathOf, writeMarker, type Marker } from '../../marker.js';
import type { Result } from '../../requests.js';
import { ownerOf } from '../../runtimes/process/user.js';
import { wipeStorage } from '../../storage-content.js';
import { untilAtRest } from './at-rest.js';
import { isSource } from './migration-source.js';
import { openMigrationErrors } from './migration-errors.js';
import { runTool, storageInside } from './migration-tool.js';
import { refuseUnfit, type Kind, type Turn } from './parts.js';

type Migrate = Kind<'migrate-storage'>;

/** @throws LeafwardError `refused` (also for what was not migrated), `exhausted` with figures, what the runtime throws. */
export async function migrateStorage(request: Migrate, turn: Turn): Promise<Result> {
  const { parts } = turn;
  const intent = await refuseUnfit(request, { run: 'stopped' }, parts);
  const what = `migrate ${request.source} to ${request.member}`;
  const storage = await realPathOf(intent.spec.storage);
  const before = await markerOf(storage);
  if (before !== undefined && before.term > request.term)
    throw new LeafwardError(
      'stale',
      `${what}: its storage has been in term ${before.term}, the request is of ${request.term} (I11)`,
    );
  const errors = openMigrationErrors(storage, request.errors);
  if (before?.term === request.term && before.seeding === undefined) {
    await noteFilled(storage, turn);
    return { message: await errors.describe() };
  }
  await refuseSource(what, request, intent, turn);
  await untilAtRest(what, intent, turn);
  const marker = await prepare(request, { intent, storage, before }, turn);
  await migrate(what, request, { intent, storage }, turn);
  const text = await errors.describe();
  if ((await errors.count()) > 0 && !request.acceptErrors)
    throw new LeafwardError(
      'refused',
      `${what}: ${text}; nothing starts from it. To begin anew, correct what the lines say, remove ${join(storage, request.checkpoints)} and resume; or abort, and plan again with --accept-errors, which goes on from here`,
    );
  await writeMarker(storage, marker, await ownerOf(intent.spec));
  await noteFilled(storage, turn);
  return { message: text };
}

const markerOf = async (storage: string): Promise<Marker | undefined> => {
  const reading = await readMarker(storage);
  return reading.kind === 'found' ? reading.marker : undefined;
};

/** It must be what the tool can read, and nobody may write to it meanwhile. */
async function refuseSource(
  what: string,
  { source }: Migrate,
  intent: MemberIntent,
  turn: Turn,
): Promise<void> {
  await isSource(what, source, intent.spec.storage);
  const { spec } = intent;
  await untilAtRest(`${what}: its source`, { ...intent, spec: { ...spec, storage: source } }, turn);
}

interface Destination {
  readonly intent: MemberIntent;
  readonly storage: string;
}

/** The storage is empty or half filled from this source afterwards. Returns the marker that it has in the end. */
async function prepare(
  { id, source, term, member }: Migrate,
  { intent, storage, before }: Destination & { readonly before: Marker | undefined },
  { parts, onProgress, signal }: Turn,
): Promise<Marker> {
  const from = `a migration of ${source}`;
  const { service, spec } = intent;
  const marker: Marker = { format: 1, fleet: parts.fleet, service, member, term };
  const { seeding } = before ?? {};
  if (seeding?.from === from && seeding.id !== undefined) return marker;
  onProgress('looking for room, and setting aside what lies there');
  const needBytes = await measureData(source, { clock: parts.clock }, signal);
  const emptying = { id, wipe: false, term, from, reseed: false, needBytes };
  await emptyStorage(intent, emptying, parts, signal);
  await writeMarker(storage, { ...marker, seeding: { from, id } }, await ownerOf(spec));
  await wipeStorage({ ...spec, storage }, signal);
  return marker;
}

async function migrate(
  what: string,
  request: Migrate,
  { intent, storage }: Destination,
  turn: Turn,
): Promise<void> {
  const { source, command, resume, checkpoints, image, timeoutMs } = request;
  const errors = openMigrationErrors(storage, request.errors);
  const goesOn = await hasEntries(join(storage, checkpoints));
  // From the start: what an earlier attempt could not do may be done now.
  if (!goesOn) await errors.forget();
  turn.onProgress(goesOn ? 'going on from the last checkpoint' : 'the tool begins');
  const inside = storageInside(intent.spec);
  const argv = [...command, ...(goesOn ? resume : [])].map((word) =>
    word.replaceAll('{source}', source).replaceAll('{storage}', inside),
  );
  try {
    await runTool({ what, image, argv, timeoutMs, source }, intent, turn, (line) => {
      errors.take(line);
      turn.onProgress(line);
    });
  } finally {
    await errors.written();
  }
}

async function hasEntries(directory: string): Promise<boolean> {
  const names = await readdir(directory).catch(() => []);
  return names.length > 0;
}

async function noteFilled(storage: string, { parts }: Turn): Promise<void> {
  const filling = parts.journal.state.fillings?.[storage];
  if (filling?.state === 'emptied')
    await parts.journal.append({ kind: 'storage-filled', storage, id: filling.id });
}
