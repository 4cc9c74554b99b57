// What an agent is told at its start: <state directory>/agent.yaml, if there is one, under the flags.
import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { HostRoots } from './checks/check.js';

export const DEFAULT_STATE_DIRECTORY = '/var/lib/leafward';

export interface AgentConfig {
  readonly stateDirectory: string;
  readonly dockerSocket: string;
  readonly logLevel: string;
  readonly roots: HostRoots;
  readonly checkEverySeconds: number;
  readonly probeEverySeconds: number;
}

/** A value that fits, or what it must be. */
type Check = (value: unknown) => string | undefined;

const absolute: Check = (value) =>
  typeof value === 'string' && isAbsolute(value) ? undefined : 'must be an absolute path';
const whole =
  (least: number, most: number): Check =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
      ? undefined
      : `must be a whole number from ${least} to ${most}`;
const levels = ['trace', 'debug', 'info', 'warn', 'error'];
const level: Check = (value) =>
  levels.includes(value as string) ? undefined : `must be one of ${levels.join(', ')}`;

const defaultRoots: HostRoots = { proc: '/proc', sys: '/sys', etc: '/etc' };
const defaults = {
  dockerSocket: '/var/run/docker.sock',
  logLevel: 'info',
  /** Where the kernel's files are; another place than the host's own only in tests. */
  roots: defaultRoots,
  /** Seconds between two runs of all checks. */
  checkEverySeconds: 60,
  /** Seconds between two latency probes of a volume. */
  probeEverySeconds: 600,
};
const rootChecks: Readonly<Record<string, Check>> = {
  proc: absolute,
  sys: absolute,
  etc: absolute,
};
const checks: Readonly<Record<string, Check>> = {
  dockerSocket: absolute,
  logLevel: level,
  roots: (value) => (asEntries(value) === undefined ? 'must be a mapping' : undefined),
  checkEverySeconds: whole(5, 86_400),
  probeEverySeconds: whole(10, 86_400),
};

/** @throws LeafwardError `invalid` with every problem and its path. */
export async function readConfig(stateDirectory: string): Promise<AgentConfig> {
  if (!isAbsolute(stateDirectory))
    throw new LeafwardError('invalid', `--state-dir ${stateDirectory}: must be an absolute path`);
  const path = join(stateDirectory, 'agent.yaml');
  const read = (await readYaml(path)) ?? {};
  const said = asEntries(read);
  if (said === undefined) throw invalid(path, ['it must be a mapping']);
  const roots = asEntries(said['roots'] ?? {}) ?? {};
  const problems = [...problemsIn(said, checks, ''), ...problemsIn(roots, rootChecks, 'roots.')];
  if (problems.length > 0) throw invalid(path, problems);
  const given = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
  return { stateDirectory, ...defaults, ...given, roots: { ...defaultRoots, ...roots } };
}

function problemsIn(
  said: Readonly<Record<string, unknown>>,
  known: Readonly<Record<string, Check>>,
  prefix: string,
): readonly string[] {
  return Object.entries(said).flatMap(([key, value]) => {
    const check = Object.hasOwn(known, key) ? known[key] : undefined;
    const problem = check === undefined ? 'is not known' : check(value);
    return problem === undefined ? [] : [`${prefix}${key}: ${problem}`];
  });
}

function asEntries(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as Readonly<Record<string, unknown>>;
}

function invalid(path: string, problems: readonly string[]): LeafwardError {
  return new LeafwardError('invalid', `${path}: ${problems.length} problems`, {
    detail: problems,
  });
}

async function readYaml(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new LeafwardError('invalid', `read ${path}: ${messageOf(error)}`, { cause: error });
  }
  const { parse } = await import('yaml');
  try {
    return parse(text) as unknown;
  } catch (error) {
    throw new LeafwardError('invalid', `${path} is not YAML: ${messageOf(error)}`);
  }
}
