// Whether a service still writes a backup that its agent does not wait for any more. Whoever cannot be asked may.
import type { MemberIntent, Runtime as RuntimeName } from '@leafward/shared/gen/domain.js';
import { engineMember } from '../engines/engine-member.js';
import type { Engine } from '../engines/engine.js';
import type { Journal } from '../journal.js';
import type { Runtime } from '../runtimes/runtime.js';
import type { Attempt } from './attempts.js';

export interface WrittenParts {
  readonly journal: Pick<Journal, 'state'>;
  readonly engineOf: (intent: MemberIntent) => Engine;
  readonly runtime: (name: RuntimeName) => Runtime;
}

export function createStillWritten(
  { journal, engineOf, runtime }: WrittenParts,
  signal: AbortSignal,
): (attempt: Attempt) => Promise<boolean> {
  return async ({ member }) => {
    const members = journal.state.intent?.members ?? [];
    const intent = members.find((one) => one.member === member);
    if (intent === undefined) return false;
    const engine = engineOf(intent);
    if (engine.isBackingUp === undefined) return false;
    try {
      return await engine.isBackingUp(engineMember(intent), signal);
    } catch {
      const { state } = await runtime(intent.spec.runtime).inspect(member, signal);
      return state !== 'exited' && state !== 'absent' && state !== 'created';
    }
  };
}
