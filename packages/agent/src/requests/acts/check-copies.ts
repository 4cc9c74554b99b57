// The repository off the host read again. Touches no member.
import type { Result } from '../../requests.js';
import { intentOf, type Kind, type Turn } from './parts.js';

/** @throws LeafwardError `failed` when it is damaged, what checking throws. */
export async function checkCopies(request: Kind<'check-copies'>, turn: Turn): Promise<Result> {
  const { parts } = turn;
  return {
    message: await parts.offsite.check(request.dataPercent, intentOf(request, parts), turn),
  };
}
