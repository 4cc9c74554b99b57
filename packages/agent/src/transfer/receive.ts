// The receiving end: says what it wants, writes what comes, reads it all again and takes it into the catalogue when it
// is what its manifest says. What arrived before a break stays, and the next try goes on from there.
import { statfs } from 'node:fs/promises';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Backup, TransferDirectory, Verification } from '@leafward/shared/gen/domain.js';
import { megabytes } from '../megabytes.js';
import type { TransferLine } from './line.js';
import type { Staging } from './staging.js';

export interface ReceiveOptions {
  readonly line: TransferLine;
  readonly staging: Staging;
  /** For errors and to be held against what is offered. */
  readonly name: string;
  readonly service: string;
  /** Holds what has arrived against its manifest. */
  readonly verify: (backup: Backup, staging: Staging) => Promise<Verification>;
  readonly onProgress: (text: string) => void;
  /** Milliseconds that only go forward. */
  readonly monotonic: () => number;
}

/** Of the volume stays free beside what arrives. */
const RESERVE_FRACTION = 0.05;
const TELL_EVERY_MS = 1000;

/** The backup as its sender has recorded it, but verified here. @throws LeafwardError `exhausted` with figures, `failed`, what the line throws. */
export async function receiveBackup(options: ReceiveOptions): Promise<Backup> {
  const { line, staging } = options;
  const offer = await line.next();
  if (offer.kind === 'end') throw refused(options, offer.problem);
  if (offer.kind !== 'offer') throw unexpected(options, offer.kind);
  const { backup, directories } = offer;
  try {
    assertMeant(options, backup);
    await assertRoom(options, backup);
    await line.send({ kind: 'want', ...(await staging.want()) });
    await receiveFiles(options, directories, backup);
    options.onProgress('reading again what has arrived');
    const verification = await options.verify(backup, staging);
    const { ok, problems } = verification;
    if (!ok) {
      await staging.remove();
      throw new LeafwardError(
        'failed',
        `receive ${backup.name}: what has arrived is not what was sent: ${problems[0] ?? 'no reason given'}; it was removed again`,
      );
    }
    return { ...backup, verification };
  } catch (error) {
    const isHeard = error instanceof LeafwardError && error.code !== 'unavailable';
    if (isHeard) await sayLast(line, error.text);
    throw error;
  }
}

/** The other end waits for this word. Its loss loses nothing. */
export async function sayLast(line: TransferLine, problem?: string): Promise<void> {
  try {
    await line.send({ kind: 'end', problem });
    await line.finish();
  } catch {
    // the line has broken: the other end asks again and is told then
  }
}

async function receiveFiles(
  options: ReceiveOptions,
  directories: readonly TransferDirectory[],
  { sizeBytes }: Backup,
): Promise<void> {
  const { line, staging, monotonic } = options;
  let bytes = 0;
  let toldAt = -Infinity;
  for (;;) {
    const message = await line.next();
    if (message.kind === 'end') {
      if (message.problem !== undefined) throw refused(options, message.problem);
      return staging.finish(directories);
    }
    if (message.kind !== 'piece') throw unexpected(options, message.kind);
    await staging.write(message);
    bytes += message.data.length;
    if (monotonic() - toldAt < TELL_EVERY_MS) continue;
    toldAt = monotonic();
    const name = message.name === '' ? 'the manifest' : message.name;
    options.onProgress(`${megabytes(bytes)} of about ${megabytes(sizeBytes)} here: ${name}`);
  }
}

function assertMeant({ name, service }: ReceiveOptions, backup: Backup): void {
  if (backup.name === name && backup.service === service) return;
  throw new LeafwardError(
    'refused',
    `receive ${name} of ${service}: ${backup.name} of ${backup.service} is offered`,
  );
}

/** What has arrived before is on the volume already. */
async function assertRoom({ staging, name }: ReceiveOptions, { sizeBytes }: Backup): Promise<void> {
  const { bavail, bsize, blocks } = await statfs(staging.files);
  const freeBytes = bavail * bsize;
  const reserveBytes = Math.ceil(blocks * bsize * RESERVE_FRACTION);
  const needBytes = Math.max(0, sizeBytes - (await staging.bytes())) + reserveBytes;
  if (freeBytes >= needBytes) return;
  throw new LeafwardError(
    'exhausted',
    `receive ${name}: ${megabytes(needBytes)} are needed (${megabytes(sizeBytes)} of files and 5 % of the volume) ` +
      `and ${megabytes(freeBytes)} are free; free some space or give the member another backup directory (I7)`,
    { retry: 'later' },
  );
}

const refused = ({ name }: ReceiveOptions, problem = 'no reason given'): LeafwardError =>
  new LeafwardError('failed', `receive ${name}: the other end gave up: ${problem}`);

const unexpected = ({ name }: ReceiveOptions, kind: string): LeafwardError =>
  new LeafwardError('failed', `receive ${name}: the other end said ${kind} where it should not`);
