// Live backups of a stand-in: a copy of its files, the identity last, so that a half one is known by its lack.
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { allocatedBytes } from '@leafward/agent/backups/allocated-bytes.js';
import { refused, WireError, type Cell } from './cell.js';
import type { Packable } from './pack.js';

const IDENTITY = 'cell.guid';
/** What a backup never holds. */
const LEFT_OUT = new Set([IDENTITY, 'sock', 'backups', 'tmp', '.leafward.json']);

/** Answers when it has begun, or with `wait` when it is over; then it is cancelled with the caller's link. */
export async function runBackup(
  cell: Cell,
  options: { readonly name: string | null; readonly wait: boolean },
  signal: AbortSignal,
): Promise<string> {
  const name = options.name ?? new Date().toISOString().replace(/\D/g, '').slice(0, 14);
  if (cell.backup.running) {
    const mesg = 'Another backup is already running';
    throw new WireError('BackupAlreadyRunning', refused('runBackup', mesg));
  }
  const path = placeOf(cell, name);
  if (existsSync(path)) {
    throw new WireError('BadArg', refused('runBackup', 'Backup with name already exists'));
  }
  const never = new AbortController().signal;
  const work = copy(cell, path, options.wait ? signal : never);
  if (options.wait) await work;
  else work.catch(() => undefined);
  return name;
}

async function copy(cell: Cell, path: string, signal: AbortSignal): Promise<void> {
  const { backup, settings } = cell;
  const beganAt = Date.now();
  Object.assign(backup, { running: true, laststart: beganAt, lastexception: null });
  try {
    mkdirSync(path, { recursive: true });
    await cell.withoutWrites(async () => {
      for (const name of readdirSync(settings.storage)) {
        if (LEFT_OUT.has(name)) continue;
        cpSync(join(settings.storage, name), join(path, name), { recursive: true });
      }
    });
    await delay(settings.backupMs, undefined, { signal });
    if (settings.failBackup) throw new Error('told to fail');
    cpSync(join(settings.storage, IDENTITY), join(path, IDENTITY));
    backup.lastsize = await allocatedBytes(path, new AbortController().signal);
  } catch (error) {
    const mesg = error instanceof Error ? error.message : 'unknown';
    backup.lastexception = ['SynErr', { mesg }];
    throw error;
  } finally {
    const lastend = Date.now();
    Object.assign(backup, { running: false, lastend, lastduration: lastend - beganAt });
  }
}

export function backupInfo(cell: Cell): Packable {
  const { running, laststart, lastend, lastduration, lastsize, lastexception } = cell.backup;
  const elapsed = Date.now() - (laststart ?? 0);
  // Before 2.240 the service says nonsense here while one runs, below zero in any case.
  const currduration = cell.settings.minor < 240 ? -5_000_000 - elapsed : elapsed;
  return {
    currduration: running ? currduration : null,
    laststart,
    lastend: running ? null : lastend,
    lastduration: running ? null : lastduration,
    lastsize: running ? null : lastsize,
    lastupload: null,
    lastexception,
  };
}

export function listBackups(cell: Cell): string[] {
  const directory = cell.settings.backupDirectory;
  if (!existsSync(directory)) return [];
  return readdirSync(directory).filter((name) => existsSync(join(directory, name, IDENTITY)));
}

export function deleteBackup(cell: Cell, name: string): void {
  const path = placeOf(cell, name);
  if (!existsSync(join(path, IDENTITY))) {
    const mesg = 'Specified backup path has no cell.guid file.';
    throw new WireError('BadArg', refused('delBackup', mesg));
  }
  rmSync(path, { recursive: true });
}

function placeOf(cell: Cell, name: string): string {
  const directory = resolve(cell.settings.backupDirectory);
  const path = resolve(directory, name);
  if (!path.startsWith(`${directory}/`)) {
    throw new WireError('BadArg', refused('_reqBackDirn', 'Directory traversal detected'));
  }
  return path;
}
