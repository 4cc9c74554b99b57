// One look at a running member through its kind's commands: as few processes as they share. All answers or none: a
// look of which a part is missing decides nothing.
import type { EngineFact } from '@leafward/shared/gen/domain.js';
import { booleanOf, roleOf, urlOf } from './answer.js';
import { ask, askIfAble, askPosition } from './ask.js';
import type { Look, Talk } from './run-command.js';
import type { SlowFactsCache } from './slow-facts.js';

/** @throws LeafwardError of the first command that did not answer as it should. */
export async function observe(
  talk: Talk,
  slowFacts: SlowFactsCache,
  signal: AbortSignal,
): Promise<EngineFact> {
  const runtime = talk.parts.runtimeOf(talk.member.spec);
  const { startedAt } = await runtime.inspect(talk.member.member, signal);
  const look: Look = new Map();
  // The others are stopped as well when one has failed: nobody waits for them.
  const failure = new AbortController();
  const onAbort = (): void => failure.abort();
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  const both = failure.signal;
  try {
    const [role, ready, position, slow] = await Promise.all([
      askIfAble(talk, 'role', roleOf, { look }, both),
      askIfAble(talk, 'ready', booleanOf, { look }, both),
      askPosition(talk, 'position', { look }, both),
      slowFacts.of(talk, { startedAt, look }, both),
    ]);
    // A kind that tells no role has no mirrors: each of its members leads.
    const active = role !== 'mirror';
    return {
      answered: true,
      ...slow,
      runId: startedAt === undefined ? undefined : `started at ${startedAt}`,
      active,
      ready: ready ?? true,
      position,
      ...(await (active ? ofLeader : ofMirror)(talk, look, both)),
    };
  } finally {
    signal.removeEventListener('abort', onAbort);
    failure.abort();
  }
}

async function ofLeader(talk: Talk, look: Look, signal: AbortSignal): Promise<Partial<EngineFact>> {
  const writable = await askIfAble(talk, 'writable', booleanOf, { look }, signal);
  return { readOnly: writable === false };
}

async function ofMirror(talk: Talk, look: Look, signal: AbortSignal): Promise<Partial<EngineFact>> {
  const [uplink, upstreamUrl] = await Promise.all([
    askIfAble(talk, 'linked', booleanOf, { look }, signal),
    askIfAble(talk, 'upstream', urlWithout(talk), { look }, signal),
  ]);
  return { uplink, upstreamUrl };
}

/** A password may stand anywhere in a URL, and facts are shown (I14). */
function urlWithout({ parts }: Talk): (value: string) => string | undefined {
  return (value) => urlOf(parts.redact(value));
}

/** Whether it leads now. @throws LeafwardError */
export async function leads(talk: Talk, signal: AbortSignal): Promise<boolean> {
  return (await ask(talk, 'role', roleOf, {}, signal)) === 'leader';
}
