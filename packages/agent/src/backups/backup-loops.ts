// What an agent does with the list of its backups by itself: looks for ones that nobody told of and for ones that are
// gone, and takes away what the rules of keep let go.
import { startLoop, type Loop } from '@leafward/shared/loop.js';
import { directoriesOf, startKeepLoop, type KeepLoopParts } from './keep-loop.js';

/** How often backups are looked for that nobody told of, and ones that are gone. */
const CATALOGUE_EVERY_MS = 60_000;

export interface BackupLoops {
  /** One more backup is there. */
  added(): void;
  stop(): Promise<void>;
}

export function startBackupLoops(parts: KeepLoopParts): BackupLoops {
  const look = startCatalogueLoop(parts);
  const keep = startKeepLoop(parts);
  return {
    added: () => keep.wake(),
    stop: async () => void (await Promise.all([look.stop(), keep.stop()])),
  };
}

function startCatalogueLoop(parts: KeepLoopParts): Loop {
  const { catalogue, clock, log } = parts;
  return startLoop({
    name: 'catalogue',
    clock,
    log,
    everyMs: CATALOGUE_EVERY_MS,
    deadlineMs: CATALOGUE_EVERY_MS,
    pass: async () => {
      if (!(await catalogue.refresh(directoriesOf(parts)))) return undefined;
      parts.onChange();
      return `${catalogue.list().length} backups are known`;
    },
  });
}
