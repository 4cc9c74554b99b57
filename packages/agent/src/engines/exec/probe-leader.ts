// A witness's question to a leader in the words of its kind. A command that could not ask, or whose answer nobody
// understands, is an error and never a no.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { LeaderProbe } from '@leafward/shared/gen/domain.js';
import { hostAndPortOf } from '@leafward/shared/manifest/placeholders.js';
import type { CommandResult } from '../../runtimes/runtime.js';
import { requireRoute } from '../reach.js';
import { booleanOf } from './answer.js';
import { readAnswer } from './ask.js';
import { commandOf, runCommand, type Talk } from './run-command.js';

const MOST_SAID = 200;

/** @throws LeafwardError: nothing is known of the leader then. */
export async function probeLeader(
  talk: Talk,
  options: { readonly url: string; readonly timeoutMs: number },
  signal: AbortSignal,
): Promise<LeaderProbe> {
  const beganAt = performance.now();
  const { url, timeoutMs } = options;
  if (signal.aborted)
    throw new LeafwardError('aborted', `${talk.member.member}: stopped by the caller`);
  await requireWay(talk, options, signal);
  const leftMs = Math.max(1, Math.round(timeoutMs - (performance.now() - beganAt)));
  const fill = { upstreamUrl: url };
  const ran = await runCommand(talk, 'answers', { fill, timeoutMs: leftMs }, signal);
  const answered = readAnswer(talk, 'answers', ran, booleanOf);
  const tookMs = Math.round(performance.now() - beganAt);
  return { answered, said: saidIn(ran.result, talk), tookMs };
}

/** Programs say of a name that nobody resolves, and of a network that is not there, that nobody answers. */
async function requireWay(
  talk: Talk,
  { url, timeoutMs }: { readonly url: string; readonly timeoutMs: number },
  signal: AbortSignal,
): Promise<void> {
  const { host } = hostAndPortOf(url);
  const { runtime, networkMode } = talk.member.spec;
  const isOnHost = commandOf(talk, 'answers').steps.every(({ place }) => place === 'host');
  // A container with a network of its own has other names and ways than its host.
  if (host === undefined || !(isOnHost || runtime === 'process' || networkMode === 'host')) return;
  await requireRoute(host, timeoutMs, signal);
}

/** The first line, or else the exit code; redacted before it is cut (I14). */
function saidIn({ stdout, stderr, exitCode, truncated }: CommandResult, { parts }: Talk): string {
  const lines = [stdout, stderr].flatMap((text) =>
    parts
      .redact(truncated ? text.slice(0, text.lastIndexOf('\n') + 1) : text)
      .split(/[\r\n]+/)
      .map((line) => line.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim()),
  );
  const first = lines.find((line) => line !== '') ?? `exit code ${exitCode}`;
  return first.slice(0, MOST_SAID);
}
