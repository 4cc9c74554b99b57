// The leader's log is cut. Everything that the plan relied on is looked at again on the spot: that it leads in this very
// term, that nothing is at work on it, and that the readers named are those that it knows (I8).
import { LeafwardError } from '@leafward/shared/errors.js';
import { engineMember } from '../../engines/engine-member.js';
import type { Result } from '../../requests.js';
import { refuseUnfit, type Kind, type Turn } from './parts.js';

/** @throws LeafwardError `refused` with the reason, what the engine throws. */
export async function trimLog(
  request: Kind<'trim-log'>,
  { parts, onProgress, signal }: Turn,
): Promise<Result> {
  const intent = await refuseUnfit(request, { run: 'running' }, parts);
  const { member, term, consumers, timeoutMs } = request;
  const refuse = (why: string): never => {
    throw new LeafwardError('refused', `trim the log of ${member}: ${why}; nothing was cut (I8)`);
  };
  if (intent.role !== 'leader' || intent.term !== term)
    refuse(`it shall be a ${intent.role} in term ${intent.term}, not the leader of term ${term}`);
  if (parts.isBusy(member)) refuse('steps are at work on it');
  if (consumers.length === 0) refuse('nobody who reads it is named');
  const { care } = parts.engineOf(intent);
  if (care?.trim === undefined)
    return refuse(`a service of kind ${intent.spec.kind} has no log that could be`);
  onProgress(`waiting for ${consumers.length} readers`);
  return { message: await care.trim(engineMember(intent), { consumers, timeoutMs }, signal) };
}
