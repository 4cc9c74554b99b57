// A leader takes no more writes, so that its mirrors can reach the end of its log. It stays a leader: only stopping it
// makes room for another one, and only a restart lets it take writes again.
import { LeafwardError } from '@leafward/shared/errors.js';
import { engineMember } from '../../engines/engine-member.js';
import type { Result } from '../../requests.js';
import { refuseUnfit, type Kind, type Turn } from './parts.js';

/**
 * The position that its mirrors must reach; none where it cannot be fenced while it runs: then its storage says it
 * when it is stopped. @throws what the engine throws, LeafwardError `refused`.
 */
export async function stepDown(
  request: Kind<'step-down'>,
  { parts, signal }: Turn,
): Promise<Result> {
  const intent = await refuseUnfit(request, { run: 'running' }, parts);
  const { member, term, timeoutMs } = request;
  if (intent.role !== 'leader' || intent.term !== term)
    throw new LeafwardError(
      'refused',
      `step-down ${member}: it shall be a ${intent.role} in term ${intent.term}; only the leader of ` +
        `term ${term} steps down`,
    );
  const reached = await parts
    .engineOf(intent)
    .stepDown(engineMember(intent), { timeoutMs }, signal);
  return reached === undefined
    ? { message: 'it cannot be kept from writing while it runs; stop it to be sure' }
    : { position: reached.position };
}
