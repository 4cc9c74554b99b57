// The last lines that a member printed, without what a service should not have printed. Never throws.
import type { ContainerFact } from '@leafward/shared/gen/domain.js';
import type { Runtime } from '../runtimes/runtime.js';

const LAST_LINES = 5;

export async function lastLines(
  runtime: Runtime,
  member: string,
  container: ContainerFact,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (container.state !== 'exited') return [];
  return tail(runtime, { member, sinceMs: 0, maxLines: LAST_LINES, signal });
}

/** A service may print its provisioning URL or a password in one (I14). */
export function withoutSecrets(line: string): string {
  return line
    .slice(0, 400)
    .replace(/\b([a-z][a-z0-9+.-]*:\/\/)\S+/gi, '$1[hidden]')
    .replace(/\b(passw(?:or)?d|token|secret|key)(\s*[=:]\s*)\S+/gi, '$1$2[hidden]');
}

export async function tail(
  runtime: Runtime,
  options: {
    readonly member: string;
    readonly sinceMs: number;
    readonly maxLines: number;
    readonly signal: AbortSignal;
  },
): Promise<readonly string[]> {
  try {
    return await runtime.tail(options.member, options, options.signal);
  } catch {
    return [];
  }
}
