// The operator's snapshot command, run while the member's writes wait. What it made is nobody's backup here: only what it
// printed and how long writes stood is told.
import { LeafwardError } from '@leafward/shared/errors.js';
import { engineMember } from '../../engines/engine-member.js';
import { runSnapshotCommand } from '../../freeze/snapshot-command.js';
import type { Result } from '../../requests.js';
import type { CommandResult } from '../../runtimes/runtime.js';
import { refuseUnfit, type Kind, type Turn } from './parts.js';

/** Of what a command prints; names of snapshots are shorter. */
const TOLD_CHARACTERS = 1000;

/** @throws LeafwardError `refused`, `unavailable`, `timeout`, `failed` with what the command said. */
export async function takeSnapshot(
  request: Kind<'take-snapshot'>,
  { parts, onProgress, signal }: Turn,
): Promise<Result> {
  const intent = await refuseUnfit(request, { run: 'running' }, parts);
  const { command, timeoutMs, member } = request;
  const { storage } = intent.spec;
  const what = `snapshot ${member}`;
  const run = (): Promise<CommandResult> => {
    onProgress('the command runs');
    return runSnapshotCommand({ command, timeoutMs, storage, clock: parts.clock }, signal);
  };
  if (!request.freeze) {
    const { tookMs, ...result } = await run();
    return { snapshot: { output: wordsOf(what, { tookMs, ...result }), tookMs } };
  }
  const { care } = parts.engineOf(intent);
  if (care?.freeze === undefined || parts.freezes === undefined)
    throw new LeafwardError('refused', `${what}: its kind cannot be frozen`);
  onProgress('freezing it');
  const freezing = { member: engineMember(intent), care, forMs: timeoutMs };
  const { value, frozenMs } = await parts.freezes.whileFrozen(freezing, run, signal);
  return { snapshot: { output: wordsOf(what, value), frozenMs, tookMs: value.tookMs } };
}

/** What it printed. @throws LeafwardError `failed` when it ended badly. */
function wordsOf(what: string, { exitCode, stdout, stderr }: CommandResult): string {
  const said = (text: string): string =>
    text
      .replace(/[\u0000-\u001f\u007f]+/g, ' ')
      .trim()
      .slice(0, TOLD_CHARACTERS);
  if (exitCode === 0) return said(stdout === '' ? stderr : stdout);
  const words = said(stderr === '' ? stdout : stderr);
  throw new LeafwardError(
    'failed',
    `${what}: the command ended with ${exitCode}: ${words === '' ? 'it printed nothing' : words}; writes go on. Take away what it may have left`,
  );
}
