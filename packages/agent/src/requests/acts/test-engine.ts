// What the read-only commands of a definition answer at a member, whatever its order says of them. Changes nothing.
import { engineMember } from '../../engines/engine-member.js';
import type { Result } from '../../requests.js';
import { refuseUnfit, type Kind, type Turn } from './parts.js';

export async function testEngine(
  request: Kind<'test-engine'>,
  { parts, signal }: Turn,
): Promise<Result> {
  const intent = await refuseUnfit(request, { run: 'running' }, parts);
  const tested = { ...intent, exec: request.exec };
  const answers = await parts.engineOf(tested).test(engineMember(tested), signal);
  return { answers: { answers } };
}
