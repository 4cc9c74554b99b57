// The dead-man of a freeze: a process of its own that outlives the agent and resumes the member when its time is over,
// whatever became of whoever froze it. Ends when the record has gone: then its agent has resumed it.
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '@leafward/shared/errors.js';
import { hostMonotonicMs } from '../permits.js';
import { freezeDirectory, type FreezeDirectory } from './record.js';
import { resumeCell } from './resume-cell.js';

const LOOK_EVERY_MS = 200;
const TRY_AGAIN_MS = 1_000;
/** A cell that does not answer for so long is its host's or its disk's trouble; the status names it. */
const GIVE_UP_MS = 3_600_000;

/** Returns when the member is not frozen by this agent any more. Tells on standard error what it did. */
export async function thaw(path: string, member: string): Promise<void> {
  const directory = freezeDirectory(path);
  do {
    directory.setWatcher(member, process.pid);
    try {
      await watch(directory, member);
    } finally {
      if (directory.watcher(member) === process.pid) directory.setWatcher(member, undefined);
    }
    // One that was asked for while this one ended relies on it.
  } while (directory.read(member) !== undefined);
}

async function watch(directory: FreezeDirectory, member: string): Promise<void> {
  for (;;) {
    const record = directory.read(member);
    if (record === undefined) return;
    const overdueMs = hostMonotonicMs() - record.resumeAtMs;
    if (overdueMs < 0) await delay(LOOK_EVERY_MS);
    else if (overdueMs > GIVE_UP_MS || (await resumed(record.storage, member))) {
      directory.remove(member);
      return;
    } else await delay(TRY_AGAIN_MS);
  }
}

async function resumed(storage: string, member: string): Promise<boolean> {
  try {
    const wasThere = await resumeCell(storage);
    tell(wasThere ? `resumed ${member}: its time was over` : `${member} does not run`);
    return true;
  } catch (error) {
    tell(`resume ${member}: ${messageOf(error)}; tries again`);
    return false;
  }
}

const tell = (text: string): void => {
  process.stderr.write(`leafward-agent thaw: ${text}\n`);
};
