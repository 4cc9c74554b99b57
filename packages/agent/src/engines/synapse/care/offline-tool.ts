// Synapse's own tool that copies a stopped cell, with its databases made compact: in a one-off of the member's image.
// Must never run while the cell does, which its caller has seen to.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { EngineMember, EngineParts } from '../../engine.js';
import { seenPath } from '../../exec/seen-path.js';

/** Under this name since the first versions; from 2.225 on it is another's, and says so. */
const TOOL = ['python', '-m', 'synapse.tools.backup'];
/** At the disk's speed: terabytes take hours. */
const DEADLINE_MS = 12 * 3_600_000;
const MAX_OUTPUT_BYTES = 16 * 1024;
const TOLD_CHARACTERS = 500;

/** `to`: as the host calls it. @throws LeafwardError `refused` when no mount holds it, `failed` with its last words. */
export async function copyCell(
  parts: EngineParts | undefined,
  member: EngineMember,
  to: string,
  signal: AbortSignal,
): Promise<void> {
  const { spec } = member;
  const [source, target] = [spec.storage, to].map((path) => seenPath(spec, path));
  if (parts === undefined || source === undefined || target === undefined)
    throw new LeafwardError(
      'refused',
      `copy ${spec.storage} to ${to}: no mount of ${member.member} holds that place; mount it, or leave backup.directory out`,
    );
  const command = {
    argv: [...TOOL, source, target],
    deadlineMs: DEADLINE_MS,
    maxOutputBytes: MAX_OUTPUT_BYTES,
  };
  const result = await parts.runtimeOf(spec).run(parts.containerOf(member), command, signal);
  if (result.exitCode === 0) return;
  const words = parts.redact(`${result.stdout}\n${result.stderr}`.trim().slice(-TOLD_CHARACTERS));
  throw new LeafwardError(
    'failed',
    `copy ${spec.storage} to ${to}: ${TOOL.join(' ')} ended with ${result.exitCode}: ${words === '' ? 'it said nothing' : words}`,
  );
}
