// The controller's configuration: controller.yaml in its state directory, written by `init`, read by `run`.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDocument, stringify } from 'yaml';
import { z } from 'zod';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';

const hostPort = z.string().refine((text) => {
  const port = /^(?:\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})$/.exec(text)?.[1];
  return port !== undefined && Number(port) <= 65535;
}, 'must be ADDRESS:PORT, as 0.0.0.0:7443');

const days = z.number().positive().max(3650);

const configSchema = z.strictObject({
  fleet: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits, dots and hyphens'),
  /** Names and addresses under which agents and operators reach this controller; the first is put into URLs. */
  names: z.array(z.string().min(1)).min(1),
  listen: z.strictObject({
    /** mTLS, agents and operators. */
    mtls: hostPort.default('0.0.0.0:7443'),
    /** Server-authenticated TLS, first contact. */
    enrollment: hostPort.default('0.0.0.0:7444'),
    /** /metrics and /healthz, plain HTTP: bind it where only the monitoring reaches it. */
    metrics: hostPort.default('127.0.0.1:9464'),
  }),
  certificates: z
    .strictObject({
      agentDays: days.default(30),
      userDays: days.default(30),
      controllerDays: days.default(90),
    })
    .default({ agentDays: 30, userDays: 30, controllerDays: 90 }),
  /** An idle agent reports this often. */
  reportEveryMs: z.number().int().min(250).max(60_000).default(5000),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
});

export type ControllerConfig = z.infer<typeof configSchema>;

export const configPath = (stateDir: string): string => join(stateDir, 'controller.yaml');

/** @throws LeafwardError `invalid` with every problem and its path; `not-found` when init was never run. */
export async function loadConfig(stateDir: string): Promise<ControllerConfig> {
  const path = configPath(stateDir);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new LeafwardError(
      'not-found',
      `read ${path}: ${messageOf(error)}; make it with: leafward-controller init --state-dir ${stateDir}`,
    );
  });
  return parseConfig(text, path);
}

/** @throws LeafwardError `invalid` with every problem and its path. */
export function parseConfig(text: string, path: string): ControllerConfig {
  const document = parseDocument(text);
  const syntax = document.errors.map((error) => error.message);
  if (syntax.length > 0)
    throw new LeafwardError('invalid', `${path} is not YAML`, { detail: syntax });
  const parsed = configSchema.safeParse(document.toJS());
  if (parsed.success) return parsed.data;
  throw new LeafwardError('invalid', `${path} cannot be used`, {
    detail: parsed.error.issues.map(
      (issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`,
    ),
  });
}

/** The file that init writes, with a line on each setting. */
export function renderConfig(config: ControllerConfig): string {
  return `# Leafward controller. Change it and restart leafward-controller; unknown keys are refused.\n${stringify(config)}`;
}

export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':');
  return {
    host: address.slice(0, colon).replace(/^\[|\]$/g, ''),
    port: Number(address.slice(colon + 1)),
  };
}
