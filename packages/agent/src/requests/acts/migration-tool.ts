// A tool of a migration, run as its member would be: with the member's user, environment and mounts, and the image that
// has the tool. What it prints on either stream is told line by line, without secrets (I14).
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberIntent, MemberSpec } from '@leafward/shared/gen/domain.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import type { Turn } from './parts.js';

/** Nothing of its output is kept here but its lines, as they come. */
const MAX_OUTPUT_BYTES = 64 * 1024;
const MAX_LINE = 300;
/** Its complaints come on standard error as often as not. Words are never read as shell. */
const BOTH_STREAMS = ['/bin/sh', '-c', 'exec "$@" 2>&1', 'tool'] as const;

export interface Tool {
  readonly what: string;
  readonly image?: string | undefined;
  readonly argv: readonly string[];
  readonly timeoutMs: number;
  /** Directory of the host that it sees under the same path and cannot write to, where its runtime can keep it so. */
  readonly source?: string | undefined;
}

/** Where the member's program sees its storage. */
export const storageInside = ({ runtime, storage, storageTarget }: MemberSpec): string =>
  runtime === 'docker' ? storageTarget : storage;

/** @throws LeafwardError `failed` with its last line for a bad exit code, `timeout`, what the runtime throws. */
export async function runTool(
  tool: Tool,
  intent: MemberIntent,
  { parts, onProgress, signal }: Turn,
  onLine: (line: string) => void,
): Promise<void> {
  const { member, service } = intent;
  const runtime = parts.runtime(intent.spec.runtime);
  const spec = await specFor(tool, intent, { parts, onProgress, signal });
  let last = 'it printed nothing';
  const command = {
    argv: [...BOTH_STREAMS, ...tool.argv],
    deadlineMs: tool.timeoutMs,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    onLine: (printed: string) => {
      const line = (parts.redact?.(printed) ?? printed).trim().slice(0, MAX_LINE);
      if (line === '') return;
      last = line;
      onLine(line);
    },
  };
  const container = { member, service, spec, specDigest: specDigestOf(spec) };
  const { exitCode } = await runtime.run(container, command, signal);
  if (exitCode === 0) return;
  throw new LeafwardError(
    'failed',
    `${tool.what}: the tool ended with code ${exitCode}; its last line: ${last}`,
  );
}

async function specFor(
  { image: reference, source }: Tool,
  { spec }: MemberIntent,
  { parts, onProgress, signal }: Turn,
): Promise<MemberSpec> {
  const mounts =
    source === undefined
      ? spec.mounts
      : [...spec.mounts, { source, target: source, readOnly: true }];
  if (reference === undefined) return { ...spec, mounts };
  const runtime = parts.runtime(spec.runtime);
  onProgress(`looking for the image ${reference}`);
  const image = await runtime.resolve(reference, signal);
  return { ...spec, mounts, image: await runtime.pull(image, onProgress, signal) };
}
