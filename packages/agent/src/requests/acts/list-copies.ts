// What lies in the repository off the host, whatever became of the backups themselves.
import type { Result } from '../../requests.js';
import { intentOf, type Kind, type Turn } from './parts.js';

/** @throws LeafwardError what listing throws. */
export async function listCopies(
  request: Kind<'list-copies'>,
  { parts, signal }: Turn,
): Promise<Result> {
  return { copies: { backups: await parts.offsite.list(intentOf(request, parts), signal) } };
}
