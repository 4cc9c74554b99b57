// Has a member's agent run the read-only commands of a definition that an operator is writing. Changes nothing.
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  ExecEngine,
  TestEngineRequest,
  TestEngineResponse,
} from '@leafward/shared/gen/domain.js';
import { isAct } from '@leafward/shared/manifest/abilities.js';
import { MOST_LOOK_MS, MOST_OUTPUT_BYTES } from '@leafward/shared/manifest/complete-kind.js';
import type { Fleet } from '../fleet.js';
import { askHost } from '../images.js';
import type { Snapshot } from '../snapshot.js';
import { memberPlaces, type MemberPlace } from './member-place.js';

/** What an agent gives all commands together, one after the other, and a little for the way. */
const TEST_MS = 5 * 60_000 + 15_000;

/** @throws LeafwardError `not-found`, `refused`, `unavailable`, or what the agent said. */
export async function testEngine(
  fleet: Fleet,
  clock: Clock,
  { member, exec }: TestEngineRequest,
): Promise<TestEngineResponse> {
  const { host, term } = placeOf(fleet.snapshot(), member);
  assertBounded(member, exec);
  const { answers } = await askHost(fleet, clock, {
    host,
    what: `test an engine at ${member} on host ${host}`,
    timeoutMs: TEST_MS,
    about: { member, term },
    act: { kind: 'test-engine', exec },
  });
  return { member, host, answers: answers?.answers ?? [] };
}

/** A definition comes as the client made it, not by the manifest's parser. */
function assertBounded(member: string, { commands }: ExecEngine): void {
  const isFine = Object.entries(commands).every(
    ([name, { steps }]) =>
      isAct(name) ||
      steps.every(
        ({ deadlineMs, maxOutputBytes }) =>
          deadlineMs <= MOST_LOOK_MS && maxOutputBytes <= MOST_OUTPUT_BYTES,
      ),
  );
  if (isFine) return;
  throw new LeafwardError(
    'invalid',
    `test an engine at ${member}: a command would take longer or print more than a manifest may say`,
  );
}

function placeOf(snapshot: Snapshot, member: string): MemberPlace {
  const all = memberPlaces(snapshot);
  const found = all.find((one) => one.member === member);
  if (found !== undefined) return found;
  const names = all.map((one) => one.member).sort();
  throw new LeafwardError(
    'not-found',
    `test an engine at ${member}: there is no such member; ${names.length === 0 ? 'nothing is deployed yet' : `there are: ${names.join(', ')}`}`,
  );
}
