// A backup of another host taken in: under a hidden name until all of it is here and right, then in its place.
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Backup, Verification } from '@leafward/shared/gen/domain.js';
import { holdBrought } from '../../backups/pins.js';
import {
  assertBackupName,
  backupDirectoryOf,
  isThere,
  manifestPathOf,
} from '../../backups/place.js';
import { asBackup } from '../../backups/record.js';
import { verifyFiles } from '../../backups/verify.js';
import { syncDirectory } from '../../journal.js';
import type { Result } from '../../requests.js';
import { withLine } from '../../transfer/again.js';
import type { TransferLine } from '../../transfer/line.js';
import { receiveBackup as receive, sayLast } from '../../transfer/receive.js';
import { openStaging, STAGING_PREFIX, type Staging } from '../../transfer/staging.js';
import { intentOf, type Kind, type Turn } from './parts.js';

type Receive = Kind<'receive-backup'>;

/** @throws LeafwardError `already-exists`, `exhausted`, what the other end says. */
export async function receiveBackup(request: Receive, turn: Turn): Promise<Result> {
  const { parts, onProgress, signal } = turn;
  const { service, spec } = intentOf(request, parts);
  assertBackupName(request.backup);
  const directory = backupDirectoryOf(spec);
  const path = join(directory, request.backup);
  const known = parts.catalogue.list().find((one) => one.path === path);
  if (known !== undefined) return endAtOnce(request, known, turn);
  const root = join(directory, `${STAGING_PREFIX}${request.backup}`);
  const { bytesPerSecond } = request;
  const place: Place = { root, path, turn, bytesPerSecond };
  const settled = await settledBefore(place);
  if (settled !== undefined) return endAtOnce(request, settled, turn);
  if (await isThere(path))
    throw new LeafwardError(
      'already-exists',
      `receive ${request.backup}: there is something at ${path} that is no backup of this host; move it away`,
    );
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const options = { parts, transfer: request.transfer, sends: false, onProgress, signal };
  return withLine(options, async (line) => {
    const staging = await openStaging(root);
    try {
      const sent = await receive({
        line,
        staging,
        name: request.backup,
        service,
        verify: (backup) => verifyHere({ ...backup, path: staging.files }, staging.manifest, place),
        onProgress,
        monotonic: () => parts.clock.monotonic(),
      });
      const backup = await holdBrought(parts.pins, path, () => settle(sent, staging, place));
      await sayLast(line);
      return { backup };
    } finally {
      await staging.close();
    }
  });
}

interface Place {
  readonly root: string;
  readonly path: string;
  readonly turn: Turn;
  readonly bytesPerSecond: number | undefined;
}

function verifyHere(
  backup: Backup,
  manifest: string,
  { turn: { parts, onProgress, signal }, bytesPerSecond }: Place,
): Promise<Verification> {
  return verifyFiles(backup, manifest, { clock: parts.clock, onProgress, bytesPerSecond }, signal);
}

/** From its hidden place to where it stays; what it is called is written down first, for an agent that is killed here. */
async function settle(
  sent: Backup,
  staging: Staging,
  { root, path, turn }: Place,
): Promise<Backup> {
  const { drill: _, ...kept } = sent;
  const backup: Backup = { ...kept, host: turn.parts.host, path };
  await writeFile(join(root, RECORD), JSON.stringify(backup), { mode: 0o600, flush: true });
  await chmod(staging.files, 0o700);
  await rename(staging.manifest, manifestPathOf(path));
  await rename(staging.files, path);
  await syncDirectory(dirname(path));
  const adopted = await turn.parts.catalogue.adopt(backup);
  await staging.remove();
  return adopted;
}
const RECORD = 'record';
/** A sender that has heard the word before does not come again. */
const SENDER_MS = 90_000;

/** One whose agent was killed between its last rename and its record. Undefined: there is none, or it is not right. */
async function settledBefore(place: Place): Promise<Backup | undefined> {
  const { root, path, turn } = place;
  const text = await readFile(join(root, RECORD), 'utf8').catch(() => undefined);
  if (text === undefined || !(await isThere(path))) return undefined;
  const backup = asBackup(JSON.parse(text));
  const { ok } = await verifyHere(backup, manifestPathOf(path), place);
  if (!ok || backup.path !== path) return undefined;
  const adopted = await turn.parts.catalogue.adopt(backup);
  await rm(root, { recursive: true, force: true });
  return adopted;
}

/** It was taken in before: its sender may wait for the word that it is here, and need not. */
async function endAtOnce(request: Receive, backup: Backup, turn: Turn): Promise<Result> {
  const { parts, onProgress, signal } = turn;
  onProgress(`${basename(backup.path)} is here already`);
  const { transfer } = request;
  const options = { parts, transfer, sends: false, onProgress, signal, patienceMs: SENDER_MS };
  const told = withLine(options, async (line: TransferLine) => {
    const offer = await line.next();
    if (offer.kind === 'offer') await sayLast(line);
  });
  await told.catch((error: unknown) => {
    const isAlone = error instanceof LeafwardError && error.code === 'unavailable';
    if (!isAlone) throw error;
  });
  return { backup };
}
