// How a Synapse cell is kept healthy: by its own calls while it runs, by its own tool and its own key while it does not.
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import { backupDirectoryOf, isThere } from '../../../backups/place.js';
import type { Care } from '../../care.js';
import type { EngineMember, EngineParts } from '../../engine.js';
import type { Link } from '../telepath/link.js';
import { isAtLeast } from '../version.js';
import { compact } from './compact.js';
import { databasesIn } from './databases.js';
import { freeze, resume } from './freeze.js';
import { copyCell } from './offline-tool.js';
import { writeFlag } from './on-boot.js';
import { trim } from './trim.js';

/** From here on a cell knows the key and leaves its backups alone (release notes of 2.124.0 and 2.169.0). */
const OPTIMIZES_AT_BOOT = 169;
/** A whole copy of a cell has it; it is no directory, so it is written after nothing else was refused. */
const IDENTITY = 'cell.guid';

type OnLink = <T>(
  member: EngineMember,
  signal: AbortSignal,
  act: (link: Link) => Promise<T>,
) => Promise<T>;

export function synapseCare(parts: EngineParts | undefined, onLink: OnLink): Care {
  return {
    trim: (member, options, signal) =>
      onLink(member, signal, (link) => trim(link, member, options, signal)),
    optimizeAtBoot: async (member, on) => {
      const { version } = member.spec.image;
      // An older one would not start with a key that it does not know.
      if (on && isAtLeast(version, OPTIMIZES_AT_BOOT) === false)
        throw new LeafwardError(
          'refused',
          `optimize ${member.member} at its start: version ${version ?? ''} has no way to; plan again`,
        );
      await writeFlag(member.spec.storage, on);
    },
    compact: (member, { onProgress }, signal) => compact(parts, member, onProgress, signal),
    largestDatabaseBytes: async ({ spec }, signal) => {
      const databases = await databasesIn(spec.storage, [backupDirectoryOf(spec)], signal);
      return Math.max(0, ...databases.map(({ bytes }) => bytes));
    },
    coldBackup: async (member, { path, onProgress }, signal) => {
      onProgress('its offline tool copies it');
      await copyCell(parts, member, path, signal);
      if (await isThere(join(path, IDENTITY))) return;
      throw new LeafwardError(
        'failed',
        `back up ${member.member}: its tool ended well and left no ${IDENTITY} in ${path}`,
      );
    },
    freeze: (member, { timeoutMs }, signal) =>
      onLink(member, signal, (link) => freeze(link, member, timeoutMs, signal)),
    resume: (member, signal) => onLink(member, signal, (link) => resume(link, signal)),
  };
}
