// A copy from the repository off the host into the member's backup directory. Touches no member.
import type { Result } from '../../requests.js';
import { intentOf, type Kind, type Turn } from './parts.js';

/** @throws LeafwardError `not-found`, what fetching throws. */
export async function fetchBackup(request: Kind<'fetch-backup'>, turn: Turn): Promise<Result> {
  const { parts } = turn;
  return { backup: await parts.offsite.fetch(request, intentOf(request, parts), turn) };
}
