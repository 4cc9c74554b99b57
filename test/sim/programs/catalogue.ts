// Stands for backups/catalogue.ts, which hashes files: here a backup is its record, durable at once.
import type { Backup } from '@leafward/shared/gen/domain.js';
import type { Clock } from '@leafward/shared/clock.js';
import type { Catalogue, NewBackup } from '@leafward/agent/backups/catalogue.js';
import { machine } from './machine.js';

export type { Catalogue, NewBackup } from '@leafward/agent/backups/catalogue.js';

const HASH_MS = 400;

export async function openCatalogue({ clock }: { readonly clock: Clock }): Promise<Catalogue> {
  const { backups, addBackup } = machine();
  return {
    list: backups,
    all: backups,
    gone: () => [],
    begin: () => Promise.resolve(),
    giveUp: () => undefined,
    remove: () => Promise.resolve(),
    clean: () => Promise.resolve([]),
    refresh: () => Promise.resolve(false),
    async add(started: NewBackup, _, signal) {
      await clock.sleep(HASH_MS, signal);
      const finishedAt = clock.now();
      const backup: Backup = {
        ...started,
        finishedAt,
        sizeBytes: 1e6,
        files: 3,
        manifestSha256: 'c'.repeat(64),
      };
      addBackup(backup);
      return backup;
    },
    async verify(backup, _, signal) {
      await clock.sleep(HASH_MS, signal);
      const { files, sizeBytes: bytes } = backup;
      const verification = {
        at: clock.now(),
        ok: true,
        files,
        bytes,
        tookMs: HASH_MS,
        problems: [],
      };
      return { ...backup, verification };
    },
    // Nothing is copied off a simulated host.
    amend: () => Promise.resolve(undefined),
    adopt: (backup) => Promise.resolve(backup),
  };
}
