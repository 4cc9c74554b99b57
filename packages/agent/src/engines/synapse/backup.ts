// A live backup: started without waiting on the link, polled, proven complete by the cell's own word. Must
// never leave half a backup, nor touch one that it did not begin.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAbort, LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { assertBackupName, backupDirectoryOf, isThere } from '../../backups/place.js';
import type { EngineMember } from '../engine.js';
import { CellError } from './telepath/cell-error.js';
import type { Call } from './telepath/encode.js';
import type { HeldLink } from './telepath/held-link.js';
import type { Link } from './telepath/link.js';
import { listOf, mapOf, numberOf, type Value, type ValueMap } from './telepath/value.js';

/** Each of the small calls around a backup. */
const CALL_DEADLINE_MS = 15_000;
const POLL_EVERY_MS = 250;
const TELL_EVERY_MS = 5_000;
/** How long the cell may stay silent meanwhile before the backup counts as failed. */
const SILENCE_MS = 60_000;
/** Between the start and the cell's first word about it. */
const BEGIN_MS = 10_000;
/** A backup runs at disk speed: terabytes take hours, a day is a hang. */
const LIMIT_MS = 24 * 3_600_000;

/** File that a complete copy of a cell has, and that is copied last. */
const IDENTITY = 'cell.guid';

export interface BackupOptions {
  readonly name: string;
  readonly onProgress: (text: string) => void;
}

interface Job {
  readonly member: EngineMember;
  readonly held: HeldLink;
  readonly options: BackupOptions;
  readonly path: string;
  /** Run of the cell that began it: another one means that the backup died with its process. */
  runId: Value;
  /** `laststart` before it began. */
  earlierStart: number | undefined;
}

/**
 * Position is the log's next offset when it began: the backup holds at least all below it.
 * Throws `invalid` name, `already-exists` (this name, or another backup runs), `failed`, `timeout`, and
 * `aborted`, which leaves the cell's own work going on.
 */
export async function backUp(
  member: EngineMember,
  held: HeldLink,
  options: BackupOptions,
  signal: AbortSignal,
): Promise<{ readonly path: string; readonly position: number | undefined }> {
  assertBackupName(options.name);
  const path = join(backupDirectoryOf(member.spec), options.name);
  const job: Job = { member, held, options, path, runId: null, earlierStart: undefined };
  const position = await begin(job, signal);
  try {
    await untilOver(job, signal);
    await requireComplete(job, signal);
  } catch (error) {
    if (!isAbort(error)) await discard(job, signal);
    throw error;
  }
  return { path, position };
}

/** A cell goes on with a backup whoever waits for it. @throws what asking it throws. */
export async function isBackingUp(link: Pick<Link, 'call'>, signal: AbortSignal): Promise<boolean> {
  return isRunning(mapOf(await link.call({ method: 'getBackupInfo' }, CALL_DEADLINE_MS, signal)));
}

async function ask(job: Job, call: Call, signal: AbortSignal): Promise<Value> {
  const link = await job.held.get(signal);
  return link.call(call, CALL_DEADLINE_MS, signal);
}

async function begin(job: Job, signal: AbortSignal): Promise<number | undefined> {
  const { name } = job.options;
  const [runId, info, kept, position] = [
    await ask(job, { method: 'getCellRunId' }, signal),
    mapOf(await ask(job, { method: 'getBackupInfo' }, signal)),
    listOf(await ask(job, { method: 'getBackups' }, signal)),
    numberOf(await ask(job, { method: 'getNexsIndx' }, signal)),
  ];
  if (isRunning(info)) throw taken(job, 'another backup is running');
  if (kept.includes(name) || (await isThere(join(job.path, IDENTITY)))) {
    throw taken(job, 'there is one of this name');
  }
  // Without its identity it is what a failed one left; the cell would refuse the name for it.
  await rm(job.path, { recursive: true, force: true });
  job.runId = runId;
  job.earlierStart = numberOf(info['laststart']);
  job.options.onProgress(`live backup ${name}: starting`);
  try {
    await ask(job, { method: 'runBackup', kwargs: { name, wait: false } }, signal);
  } catch (error) {
    // A lost answer says nothing: the poll will tell whether it began.
    if (error instanceof CellError || isAbort(error)) throw error;
  }
  return position;
}

/** Returns when the cell says that the backup which began here is over, well or not. */
async function untilOver(job: Job, signal: AbortSignal): Promise<void> {
  const { name, onProgress } = job.options;
  const beganAt = performance.now();
  let heardAt = beganAt;
  let toldAt = beganAt;
  for (;;) {
    await delay(POLL_EVERY_MS, undefined, { signal }).catch((cause: unknown) => {
      throw new LeafwardError('aborted', `live backup ${name}: no longer watched`, { cause });
    });
    const now = performance.now();
    const info = await look(job, signal);
    if (info !== undefined) {
      heardAt = now;
      const began = numberOf(info['laststart']) !== job.earlierStart;
      if (began && !isRunning(info)) return;
      if (!began && now - beganAt > BEGIN_MS) throw failed(job, 'the cell never began it');
    }
    if (now - heardAt > SILENCE_MS) throw failed(job, `the cell is silent for ${SILENCE_MS} ms`);
    if (now - beganAt > LIMIT_MS) throw failed(job, `not over after ${LIMIT_MS} ms`);
    if (now - toldAt > TELL_EVERY_MS) {
      toldAt = now;
      onProgress(`live backup ${name}: running for ${Math.round((now - beganAt) / 1000)} s`);
    }
  }
}

/** getBackupInfo, or undefined when the cell does not answer now. Throws when it is another run. */
async function look(job: Job, signal: AbortSignal): Promise<ValueMap | undefined> {
  let runId: Value;
  let info: ValueMap;
  try {
    runId = await ask(job, { method: 'getCellRunId' }, signal);
    info = mapOf(await ask(job, { method: 'getBackupInfo' }, signal));
  } catch (error) {
    if (error instanceof CellError || isAbort(error)) throw error;
    return undefined;
  }
  if (runId !== job.runId) throw failed(job, 'the cell restarted meanwhile');
  return info;
}

async function requireComplete(job: Job, signal: AbortSignal): Promise<void> {
  const info = mapOf(await ask(job, { method: 'getBackupInfo' }, signal));
  const exception = info['lastexception'];
  if (exception !== null && exception !== undefined) {
    throw failed(job, `the cell reports ${renderException(exception)}`);
  }
  const kept = listOf(await ask(job, { method: 'getBackups' }, signal));
  if (!kept.includes(job.options.name)) throw failed(job, 'the cell does not list it');
  if (!(await isThere(join(job.path, IDENTITY)))) {
    throw failed(job, `${job.path} is not there on the host; check backup:dir and its mount`);
  }
}

/** `[errname, {mesg}]` in words. */
function renderException(exception: Value): string {
  const [errname, info] = listOf(exception);
  const mesg = mapOf(info)['mesg'];
  if (typeof errname !== 'string') return 'an error without a name';
  return typeof mesg === 'string' ? `${errname}: ${mesg}` : errname;
}

/** Only what this job began, and only when the cell no longer writes it. */
async function discard(job: Job, signal: AbortSignal): Promise<void> {
  const info = await look(job, signal).catch(() => undefined);
  if (info !== undefined && isRunning(info)) return;
  await rm(job.path, { recursive: true, force: true }).catch((error: unknown) => {
    job.options.onProgress(`half a backup is left at ${job.path}: ${messageOf(error)}`);
  });
}

/** Any number, since it is negative while running before 2.240. */
function isRunning(info: ValueMap): boolean {
  return numberOf(info['currduration']) !== undefined;
}

function taken(job: Job, why: string): LeafwardError {
  return new LeafwardError(
    'already-exists',
    `live backup ${job.options.name} of ${job.member.member}: ${why}; wait for it or use another name`,
  );
}

function failed(job: Job, why: string): LeafwardError {
  return new LeafwardError(
    'failed',
    `live backup ${job.options.name} of ${job.member.member}: ${why}`,
  );
}
