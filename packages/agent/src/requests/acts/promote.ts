// A mirror becomes the leader. That it began is on the disk before the service is touched: from then on it may lead (I1).
import { engineMember } from '../../engines/engine-member.js';
import type { Result } from '../../requests.js';
import { refuseUnfit, type Kind, type Turn } from './parts.js';

/** The position from which on it leads. @throws what the engine throws, LeafwardError `refused`. */
export async function promote(request: Kind<'promote'>, { parts, signal }: Turn): Promise<Result> {
  const intent = await refuseUnfit(request, { run: 'running' }, parts);
  const { member, term, graceful, timeoutMs } = request;
  await parts.journal.append({ kind: 'promotion-begun', member, term });
  const engine = parts.engineOf(intent);
  await engine.promote(engineMember(intent), { graceful, timeoutMs }, signal);
  const fact = await engine.observe(engineMember(intent), signal);
  return { position: fact.position };
}
