// Leafward on a rig: the controller as a process in the controller's network, the bundled agent as a real unit
// on each host, the operator's CLI beside the controller.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostView, Operation, Plan, Status } from '@leafward/shared/gen/domain.js';
import { freshBundle } from '../bundle.js';
import { eventually } from './conditions.js';
import type { Host } from './host.js';
import { openOperatorLine } from './operator-line.js';
import { tryRun, type Result, type RigProcess } from './processes.js';
import { recordPathOf } from './remains.js';
import type { Rig } from './rig.js';

const root = join(import.meta.dirname, '../../..');
const programs = {
  controller: join(root, 'packages/controller/dist/bin.js'),
  cli: join(freshBundle(), 'leafward.cjs'),
};
const METRICS_PORT = 9464;

export interface RigFleet {
  readonly metricsUrl: string;
  /** Starts it, or starts it again after `stop` or `kill`; returns when it answers /healthz. */
  startController(): Promise<void>;
  /** @throws Error when it was never started */
  controller(): RigProcess;
  /** Puts the agent's program and unit on the host, enrols it, enables and starts the unit. */
  enrol(host: Host): Promise<void>;
  /** The operator's CLI, whatever its exit code. */
  tryCli(args: readonly string[], timeoutMs?: number): Promise<Result>;
  /** @throws Error when the exit code is not 0 */
  cli(args: readonly string[], timeoutMs?: number): Promise<string>;
  cliJson<T>(args: readonly string[]): Promise<T>;
  /** Through a connection that is kept: it may be asked often. */
  status(): Promise<Status>;
  plan(args: readonly string[]): Promise<Plan>;
  /** Applies and waits for the end. @throws Error with the reason when it pauses */
  apply(plan: Plan, timeoutMs?: number): Promise<Operation>;
  /** Applies and returns at once. */
  begin(plan: Plan): Promise<Operation>;
  operation(id: string): Promise<Operation>;
  /** @throws Error with the reason when it pauses or is aborted */
  untilDone(id: string, timeoutMs?: number): Promise<Operation>;
  /** Waits until everybody leads or mirrors with a known version, so that a plan is not stale before it is applied. */
  untilSettled(): Promise<void>;
  /** Waits until the controller sees the host's agent, or no longer does. */
  untilConnected(host: string, connected?: boolean): Promise<HostView>;
}

/** A controller that runs, with an operator who is an admin; no host is enrolled yet. */
export async function startRigFleet(rig: Rig, fleet = 'rig'): Promise<RigFleet> {
  const stateDirectory = join(rig.directory, 'controller-state');
  const home = join(rig.directory, 'operator');
  const node = process.execPath;
  const { address } = rig.controller;
  const metricsUrl = `http://${address}:${METRICS_PORT}`;
  let controller: RigProcess | undefined;

  const tryCli = (args: readonly string[], timeoutMs = 60_000): Promise<Result> =>
    tryRun(rig.controller.inNetwork([node, programs.cli, ...args]), {
      environment: { LEAFWARD_HOME: home, NO_COLOR: '1' },
      timeoutMs,
    });
  const cli = async (args: readonly string[], timeoutMs?: number): Promise<string> => {
    const { code, stdout, stderr } = await tryCli(args, timeoutMs);
    if (code === 0) return stdout;
    throw new Error(`leafward ${args.join(' ')} ended with ${code}\n${stdout}${stderr}`);
  };
  const cliJson = async <T>(args: readonly string[]): Promise<T> =>
    JSON.parse(await cli([...args, '-o', 'json'])) as T;
  const startController = async (): Promise<void> => {
    const argv = [node, programs.controller, 'run', '--state-dir', stateDirectory];
    controller = rig.controller.start('controller', argv);
    await eventually('the controller answers /healthz', async () => {
      if (controller?.isRunning() !== true) throw new Error('it ended');
      return (await rig.controller.run(['curl', '-sf', `${metricsUrl}/healthz`])) !== '';
    });
  };
  const asked = new Map<string, readonly string[]>();
  const plan = async (args: readonly string[]): Promise<Plan> => {
    const made = await cliJson<Plan>(['plan', ...args]);
    asked.set(made.id, args);
    return made;
  };
  /** A stale one is made again, as an operator would: the fleet has moved between the two commands. */
  const begin = async (made: Plan, triesLeft = 5): Promise<Operation> => {
    try {
      return await cliJson<Operation>(['apply', made.id, '--no-watch', '--yes']);
    } catch (error) {
      const args = asked.get(made.id);
      const isStale = args !== undefined && String(error).includes('[stale]');
      if (triesLeft === 0 || !isStale) throw error;
      return begin(await plan(args), triesLeft - 1);
    }
  };

  const initialized = await rig.controller.run([
    node,
    programs.controller,
    'init',
    `--state-dir=${stateDirectory}`,
    `--fleet=${fleet}`,
    `--name=${address}`,
    `--listen-metrics=0.0.0.0:${METRICS_PORT}`,
  ]);
  await mkdir(home, { recursive: true });
  await startController();
  await cli(['enroll', /leafward:\/\/\S+/.exec(initialized)?.[0] ?? '']);
  const line = openOperatorLine({
    network: rig.controller,
    home,
    recordPath: recordPathOf(rig.directory),
  });
  const status = (): Promise<Status> => line.ask<Status>({});
  const operation = (id: string): Promise<Operation> => line.ask<Operation>({ operation: id });
  return {
    metricsUrl,
    startController,
    controller: () => {
      if (controller === undefined) throw new Error('the controller was not started');
      return controller;
    },
    enrol: async (host) => {
      const { url } = await cliJson<{ readonly url: string }>(['host', 'invite', host.name]);
      await installAgent(host);
      await host.exec(['leafward-agent', 'enroll', url]);
      await host.exec(['systemctl', 'enable', '--now', 'leafward-agent.service']);
    },
    tryCli,
    cli,
    cliJson,
    status,
    plan,
    begin: (made) => begin(made),
    operation,
    untilDone: (id, timeoutMs) => untilDone(operation, id, timeoutMs),
    apply: async (plan, timeoutMs) => untilDone(operation, (await begin(plan)).id, timeoutMs),
    untilSettled: async () => {
      const isSettled = async (): Promise<boolean> => {
        const { services, hosts, operations } = await status();
        return (
          hosts.every(({ connected }) => connected) &&
          operations.every(({ state }) => state === 'done' || state === 'aborted') &&
          services.every(({ members }) =>
            members.every(
              ({ state, version }) =>
                (state === 'leading' || state === 'mirroring') && version !== undefined,
            ),
          )
        );
      };
      await eventually('everybody leads or mirrors, and nothing is going on', isSettled, {
        timeoutMs: 90_000,
      });
    },
    untilConnected: (host, connected = true) =>
      eventually(`${host} is ${connected ? '' : 'not '}connected`, async () => {
        const found = (await status()).hosts.find((one) => one.host === host);
        return found?.connected === connected ? found : undefined;
      }),
  };
}

async function untilDone(
  operation: RigFleet['operation'],
  id: string,
  timeoutMs = 120_000,
): Promise<Operation> {
  const ended = await eventually(
    `operation ${id} ends`,
    async () => {
      const now = await operation(id);
      return now.state === 'running' ? undefined : now;
    },
    { timeoutMs, everyMs: 200 },
  );
  if (ended.state === 'done') return ended;
  throw new Error(`operation ${id} is ${ended.state}: ${ended.reason ?? 'no reason given'}`);
}

/** As deploy/systemd/README.md says; enables and starts nothing. The host must be up. */
export async function installAgent(host: Host): Promise<void> {
  const from = freshBundle();
  await host.install(join(from, 'leafward-agent.cjs'), '/usr/lib/leafward/leafward-agent.cjs');
  await host.install(join(from, 'leafward-agent'), '/usr/bin/leafward-agent');
  await host.install(join(from, 'leafward-deadman'), '/usr/lib/leafward/leafward-deadman');
  const unit = 'leafward-agent.service';
  for (const name of [unit, 'leafward-deadman.service'])
    await host.install(join(root, 'deploy/systemd', name), `/etc/systemd/system/${name}`);
  // This machine's Node may lie where no unit would look for it.
  const dropIn = `[Service]\nEnvironment=LEAFWARD_NODE=${process.execPath}\n`;
  await host.write(`/etc/systemd/system/${unit}.d/node.conf`, dropIn);
  await host.exec(['systemctl', 'daemon-reload']);
}
