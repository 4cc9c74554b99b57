// What an agent is told at its start: <state directory>/agent.yaml, if there is one, under the flags.
import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { HostRoots } from './checks/check.js';

export const DEFAULT_STATE_DIRECTORY = '/var/lib/leafward';

const absolute = z.string().refine(isAbsolute, 'must be an absolute path');
const shape = z.strictObject({
  dockerSocket: absolute.default('/var/run/docker.sock'),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
  /** Where the kernel's files are; another place than the host's own only in tests. */
  roots: z
    .strictObject({
      proc: absolute.default('/proc'),
      sys: absolute.default('/sys'),
      etc: absolute.default('/etc'),
    })
    .default({ proc: '/proc', sys: '/sys', etc: '/etc' }),
  /** Seconds between two runs of all checks. */
  checkEverySeconds: z.number().int().min(5).max(86_400).default(60),
  /** Seconds between two latency probes of a volume. */
  probeEverySeconds: z.number().int().min(10).max(86_400).default(600),
});

export interface AgentConfig {
  readonly stateDirectory: string;
  readonly dockerSocket: string;
  readonly logLevel: string;
  readonly roots: HostRoots;
  readonly checkEverySeconds: number;
  readonly probeEverySeconds: number;
}

/** @throws LeafwardError `invalid` with every problem and its path. */
export async function readConfig(stateDirectory: string): Promise<AgentConfig> {
  if (!isAbsolute(stateDirectory))
    throw new LeafwardError('invalid', `--state-dir ${stateDirectory}: must be an absolute path`);
  const path = join(stateDirectory, 'agent.yaml');
  const parsed = shape.safeParse((await readYaml(path)) ?? {});
  if (parsed.success) return { stateDirectory, ...parsed.data };
  throw new LeafwardError('invalid', `${path}: ${parsed.error.issues.length} problems`, {
    detail: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`),
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
  try {
    return parse(text);
  } catch (error) {
    throw new LeafwardError('invalid', `${path} is not YAML: ${messageOf(error)}`);
  }
}
