// A member is stopped and started again, if it is still the run that was meant. Its agent's own steps do it, by all the
// rules of any other start; this act only waits until another run of it answers.
import { LeafwardError } from '@leafward/shared/errors.js';
import { engineMember } from '../../engines/engine-member.js';
import type { Result } from '../../requests.js';
import { refuseUnfit, type Kind, type Turn } from './parts.js';

const LOOK_EVERY_MS = 250;

/** @throws LeafwardError `refused`, or an abort when its time is over. */
export async function restartMember(
  request: Kind<'restart-member'>,
  { parts, onProgress, signal }: Turn,
): Promise<Result> {
  const intent = await refuseUnfit(request, { run: 'running' }, parts);
  const { member, runId } = request;
  const engine = parts.engineOf(intent);
  onProgress(`waits until another run than ${runId} answers`);
  for (;;) {
    const now = await engine.observe(engineMember(intent), signal);
    if (now.answered && now.runId !== undefined && now.runId !== runId)
      return { message: `${member} runs anew` };
    await parts.clock.sleep(LOOK_EVERY_MS, signal);
    if (signal.aborted)
      throw new LeafwardError('timeout', `restart ${member}: no other run of it answers yet`);
  }
}
