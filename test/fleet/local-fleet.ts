// A whole fleet on this machine: one controller, agents as separate processes, stand-in cells as members of the
// process runtime. What the demo shows and the end-to-end tests try.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Operation, OperatorService, Plan, Status } from '@leafward/shared/gen/domain.js';
import { connectOperator } from '@leafward/controller/cli/identity.js';
import { openIdentity } from '@leafward/shared/pki/identity-keeper.js';
import type { ServiceClient } from '@leafward/shared/rpc/service.js';
import {
  eventually,
  freePorts,
  programs,
  runProgram,
  startProgram,
  type Program,
  type RunResult,
} from './programs.js';

export interface LocalFleet {
  readonly dir: string;
  readonly metricsPort: number;
  readonly hosts: readonly string[];
  controller(): Program;
  agent(host: string): Program | undefined;
  startController(): Promise<void>;
  startAgent(host: string, environment?: Readonly<Record<string, string>>): Promise<void>;
  agentDir(host: string): string;
  /** The operator's CLI; fails with its output unless the exit code is one of `codes`. */
  cli(args: readonly string[], codes?: readonly number[]): Promise<RunResult>;
  cliJson<T>(args: readonly string[]): Promise<T>;
  /** The operator begins anew with this URL: who was known is forgotten. */
  enrolAgain(url: string): Promise<void>;
  /** The operator's own connection, for asking often: a CLI call costs a process. */
  readonly client: ServiceClient<OperatorService>;
  status(): Promise<Status>;
  operation(id: string): Promise<Operation>;
  /** Makes a plan, applies it, waits for its end. @throws Error with the CLI's output. */
  carryOut(planArgs: readonly string[], timeoutMs?: number): Promise<Operation>;
  plan(planArgs: readonly string[]): Promise<Plan>;
  stop(): Promise<void>;
}

export interface LocalFleetOptions {
  readonly dir: string;
  readonly hosts: readonly string[];
  readonly fleet?: string;
  /** Whatever is worth seeing, a line at a time. */
  readonly say?: (line: string) => void;
}

/** A busy machine starts four programs in this time. */
const READY_MS = 60_000;

export async function startLocalFleet(options: LocalFleetOptions): Promise<LocalFleet> {
  const { dir, hosts } = options;
  const [mtls = 0, enrollment = 0, metrics = 0] = await freePorts(3);
  await mkdir(dir, { recursive: true });
  const stateDir = join(dir, 'controller');
  const home = join(dir, 'operator');
  const logs = join(dir, 'logs');
  let controller: Program | undefined;
  const agents = new Map<string, Program>();

  const cli = async (
    args: readonly string[],
    codes: readonly number[] = [0],
  ): Promise<RunResult> => {
    const result = await runProgram(programs.cli, args, { LEAFWARD_HOME: home });
    if (typeof result.code !== 'number' || !codes.includes(result.code))
      throw new Error(
        `leafward ${args.join(' ')} ended with ${result.code}\n${result.stdout}${result.stderr}`,
      );
    return result;
  };
  const cliJson = async <T>(args: readonly string[]): Promise<T> =>
    JSON.parse((await cli([...args, '-o', 'json'])).stdout) as T;

  const startController = async (): Promise<void> => {
    controller = startProgram({
      name: 'controller',
      script: programs.controller,
      args: ['run', '--state-dir', stateDir],
      logPath: join(logs, 'controller.log'),
    });
    await eventually('the controller answers /healthz', READY_MS, async () => {
      const response = await fetch(`http://127.0.0.1:${metrics}/healthz`);
      return response.ok;
    });
  };
  const agentDir = (host: string): string => join(dir, 'hosts', host, 'leafward');
  const startAgent = async (host: string, environment = {}): Promise<void> => {
    agents.set(
      host,
      startProgram({
        name: `agent of ${host}`,
        script: programs.agent,
        args: ['run', '--state-dir', agentDir(host)],
        logPath: join(logs, `agent-${host}.log`),
        environment,
      }),
    );
  };
  let client: ServiceClient<OperatorService> | undefined;
  const asked = (): ServiceClient<OperatorService> => {
    if (client === undefined) throw new Error('nobody is enrolled yet');
    return client;
  };
  const status = async (): Promise<Status> => (await asked().getStatus({})).status;
  const operation = async (id: string): Promise<Operation> =>
    (await asked().getOperation({ id })).operation;

  /** What an operator does whose plan is stale: the fleet has moved between the two commands. */
  const planned = async (args: readonly string[], triesLeft = 5): Promise<Operation> => {
    const { id } = await cliJson<Plan>(['plan', ...args]);
    try {
      return await cliJson<Operation>(['apply', id, '--no-watch', '--yes']);
    } catch (error) {
      if (triesLeft === 0 || !String(error).includes('[stale]')) throw error;
      return planned(args, triesLeft - 1);
    }
  };
  const stop = async (): Promise<void> => {
    client?.close();
    await Promise.all([...agents.values()].map((agent) => agent.stop()));
    await controller?.stop();
  };
  const init = await runProgram(programs.controller, [
    'init',
    '--state-dir',
    stateDir,
    '--fleet',
    options.fleet ?? 'demo',
    '--name',
    '127.0.0.1',
    '--listen-mtls',
    `127.0.0.1:${mtls}`,
    '--listen-enrollment',
    `127.0.0.1:${enrollment}`,
    '--listen-metrics',
    `127.0.0.1:${metrics}`,
  ]);
  const url = /leafward:\/\/\S+/.exec(init.stdout)?.[0];
  if (init.code !== 0 || url === undefined)
    throw new Error(
      `leafward-controller init ended with ${init.code}\n${init.stdout}${init.stderr}`,
    );
  try {
    await startController();
    await cli(['enroll', url]);
    client = connectOperator(await openIdentity(home));
    await Promise.all(
      hosts.map(async (host) => {
        const invited = await cliJson<{ readonly url: string }>(['host', 'invite', host]);
        await mkdir(agentDir(host), { recursive: true });
        const args = ['enroll', invited.url, '--state-dir', agentDir(host)];
        const enrolled = await runProgram(programs.agent, args);
        if (enrolled.code !== 0)
          throw new Error(`enrol ${host}: ${enrolled.stdout}${enrolled.stderr}`);
        await startAgent(host);
      }),
    );
    await eventually('all agents are connected', READY_MS, async () => {
      const now = await status();
      return hosts.every((host) => now.hosts.find((h) => h.host === host)?.connected === true);
    });
  } catch (error) {
    await stop();
    throw error;
  }
  const plan = (args: readonly string[]): Promise<Plan> => cliJson<Plan>(['plan', ...args]);
  return {
    dir,
    metricsPort: metrics,
    hosts,
    controller: () => {
      if (controller === undefined) throw new Error('the controller was not started');
      return controller;
    },
    agent: (host) => agents.get(host),
    startController,
    startAgent,
    agentDir,
    cli,
    cliJson,
    get client() {
      return asked();
    },
    enrolAgain: async (anew) => {
      client?.close();
      await rm(home, { recursive: true, force: true });
      await cli(['enroll', anew]);
      client = connectOperator(await openIdentity(home));
    },
    status,
    operation,
    plan,
    carryOut: async (args, timeoutMs = 120_000) => {
      const applied = await planned(args);
      return eventually(`operation ${applied.id} (${args.join(' ')}) ends`, timeoutMs, async () => {
        const now = await operation(applied.id);
        if (now.state === 'paused') throw new Error(`it is paused: ${now.reason ?? ''}`);
        return now.state === 'done' ? now : undefined;
      });
    },
    stop,
  };
}
