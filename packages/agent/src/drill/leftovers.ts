// What a drill has on this host beside its backup: written down before it is there, so that whatever becomes of the
// agent, the next one takes it away. Must never touch anything else.
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { Runtime as RuntimeName } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { writeDurably } from '../backups/beside.js';
import type { Runtime } from '../runtimes/runtime.js';
import { drillName } from './drill-member.js';

export interface DrillRecord {
  readonly id: string;
  readonly runtime: RuntimeName;
  /** The drill's own directory. */
  readonly root: string;
}

export interface Leftovers {
  /** Before anything of it is made. */
  note(record: DrillRecord): Promise<void>;
  /** Stops and removes its program, deletes its files, forgets it. @throws what stopping and deleting throw. */
  clear(record: DrillRecord, graceMs: number): Promise<void>;
  /** Clears all that is known. False: something stays for now, as while an Engine does not answer. Never throws. */
  sweep(): Promise<boolean>;
}

/** Nobody waits for what it would still write. */
const SWEEP_GRACE_MS = 2000;
/** Beyond its grace: a large directory takes a while to delete. */
const CLEAR_MS = 120_000;
const ID = /^[0-9a-f]{8}$/;

export function openLeftovers(options: {
  readonly directory: string;
  readonly runtime: (name: RuntimeName) => Runtime;
  readonly log: Logger;
}): Leftovers {
  const { directory, log } = options;
  const pathOf = (id: string): string => join(directory, `${id}.json`);
  const clear: Leftovers['clear'] = async ({ id, runtime: name, root }, graceMs) => {
    const signal = AbortSignal.timeout(graceMs + CLEAR_MS);
    const runtime = options.runtime(name);
    await runtime.stop(drillName(id), graceMs, signal);
    await runtime.remove(drillName(id), signal);
    await rm(root, { recursive: true, force: true, maxRetries: 3 });
    await rm(pathOf(id), { force: true });
  };
  return {
    clear,
    async note(record) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await writeDurably(pathOf(record.id), JSON.stringify(record));
    },
    async sweep() {
      let isClean = true;
      for (const name of await readdir(directory).catch(() => []))
        try {
          const record = asRecord(await readFile(join(directory, name), 'utf8'));
          await clear(record, SWEEP_GRACE_MS);
          log.warn({ drill: record.id }, `took away what a drill had left: ${record.root}`);
        } catch (error) {
          isClean = false;
          log.warn({ drill: name }, `what a drill has left stays for now: ${messageOf(error)}`);
        }
      return isClean;
    },
  };
}

/** Deleted by what it says: so it is believed only where it names a drill's directory. */
function asRecord(text: string): DrillRecord {
  const value = JSON.parse(text) as Partial<DrillRecord> | null;
  const { id = '', runtime, root = '' } = value ?? {};
  const isOwn = ID.test(id) && root.startsWith('/') && basename(root) === `.leafward-drill-${id}`;
  if (isOwn && (runtime === 'docker' || runtime === 'process')) return { id, runtime, root };
  throw new LeafwardError('invalid', 'it is no record of a drill');
}
