// A backup of this host to the repository off the host. Touches no member.
import type { Result } from '../../requests.js';
import { findBackup } from './find-backup.js';
import { intentOf, type Kind, type Turn } from './parts.js';

/** @throws LeafwardError `not-found`, what copying throws. */
export async function copyBackup(request: Kind<'copy-backup'>, turn: Turn): Promise<Result> {
  const { parts } = turn;
  const intent = intentOf(request, parts);
  return {
    backup: await parts.offsite.copy(findBackup('copy', request.path, parts), intent, turn),
  };
}
