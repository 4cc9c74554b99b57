// The copies of a service's backups in its repository, judged by its rules, and taken away when that is asked. Touches no
// member.
import type { Result } from '../../requests.js';
import { intentOf, type Kind, type Turn } from './parts.js';

/** @throws LeafwardError `refused` where no rules are declared or the repository is damaged, what restic says. */
export async function pruneCopies(request: Kind<'prune-copies'>, turn: Turn): Promise<Result> {
  const { parts } = turn;
  const { dryRun } = request;
  return parts.offsite.prune({ dryRun }, intentOf(request, parts), turn);
}
