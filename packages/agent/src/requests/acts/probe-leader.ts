// A witness's look at the leader of a member's service, from this host. Must never take "I could not ask" for "it does
// not answer": whoever cannot ask fails.
import { LeafwardError } from '@leafward/shared/errors.js';
import { engineMember } from '../../engines/engine-member.js';
import type { Result } from '../../requests.js';
import { intentOf, type Kind, type Turn } from './parts.js';

export async function probeLeader(
  request: Kind<'probe-leader'>,
  { parts, signal }: Turn,
): Promise<Result> {
  const intent = intentOf(request, parts);
  const engine = parts.engineOf(intent);
  if (engine.probeLeader === undefined)
    throw new LeafwardError(
      'refused',
      `ask the leader of ${intent.service}: kind ${intent.spec.kind} has no way to ask it from another host`,
    );
  const { url, timeoutMs } = request;
  return {
    leaderProbe: await engine.probeLeader(engineMember(intent), { url, timeoutMs }, signal),
  };
}
