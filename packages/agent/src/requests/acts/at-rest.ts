// Waits until nothing works on a stopped member any more, so that its storage is the caller's alone.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { assertAtRest } from '../../fill.js';
import type { Turn } from './parts.js';

const SETTLE_MS = 30_000;
const LOOK_EVERY_MS = 50;

/** `what`: the act and its member, for errors. @throws LeafwardError `unavailable`, `refused`. */
export async function untilAtRest(
  what: string,
  intent: MemberIntent,
  { parts, onProgress, signal }: Turn,
): Promise<void> {
  onProgress('waiting until it is at rest');
  // The stop that was proven to the controller may be the last step of a chain that still writes it down.
  const until = parts.clock.monotonic() + SETTLE_MS;
  while (parts.isBusy(intent.member)) {
    if (parts.clock.monotonic() > until)
      throw new LeafwardError('unavailable', `${what}: steps are at work on it`, {
        retry: 'later',
      });
    await parts.clock.sleep(LOOK_EVERY_MS, signal);
  }
  // A program that somebody started by hand is seen as a process, whatever runs the member.
  const runtimes = [parts.runtime(intent.spec.runtime), parts.runtime('process')] as const;
  await assertAtRest(what, intent, runtimes, signal);
}
