// A Docker Engine of its own: data, containers' control groups and socket below one directory, in a given
// network namespace, without a bridge: containers use `host` networking, as the services here do.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from './conditions.js';
import { run, start, tryRun, type RigProcess } from './processes.js';

export interface EngineOptions {
  /** Short: sockets lie below it, and a socket's path has at most 107 bytes. */
  readonly directory: string;
  readonly recordPath: string;
  readonly controlGroup: string;
  /** How a program is run in the Engine's network. */
  readonly inNetwork: (argv: readonly string[]) => readonly string[];
  /** Containers go on while the Engine is away. Default true. */
  readonly liveRestore?: boolean;
  /** Default: below `directory`. */
  readonly dataRoot?: string;
}

export interface Engine {
  readonly socketPath: string;
  readonly logPath: string;
  start(): Promise<void>;
  /** As `systemctl stop docker` does. */
  stop(): Promise<void>;
  /** SIGKILL of the Engine alone. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT: it accepts connections and answers nothing. */
  freeze(): void;
  thaw(): void;
  /** The docker command against this Engine. @throws Error when it fails */
  readonly docker: (...argv: readonly string[]) => Promise<string>;
}

export function makeEngine(options: EngineOptions): Engine {
  const { directory, recordPath } = options;
  const socketPath = join(directory, 'docker.sock');
  const logPath = join(directory, 'dockerd.log');
  let process: RigProcess | undefined;
  const running = (): RigProcess => {
    if (process === undefined) throw new Error('the Engine was not started');
    return process;
  };
  return {
    socketPath,
    logPath,
    start: async () => {
      await mkdir(directory, { recursive: true });
      // After a kill the files of the processes that are gone would be believed.
      await rm(join(directory, 'docker.pid'), { force: true });
      await rm(join(directory, 'exec/containerd/containerd.pid'), { force: true });
      process = start(options.inNetwork(engineCommand(options, socketPath)), {
        logPath,
        recordPath,
      });
      await eventually(`the Engine answers (${logPath})`, async () => {
        if (!running().isRunning()) throw new Error('dockerd ended');
        const url = 'http://engine/_ping';
        return (await tryRun(['curl', '-sf', '--unix-socket', socketPath, url])).code === 0;
      });
    },
    stop: () => running().stop(30_000),
    kill: async () => {
      running().kill('SIGKILL');
      await running().ended();
    },
    freeze: () => running().kill('SIGSTOP'),
    thaw: () => running().kill('SIGCONT'),
    docker: (...argv) =>
      run(['docker', '-H', `unix://${socketPath}`, ...argv], { timeoutMs: 60_000 }),
  };
}

function engineCommand(options: EngineOptions, socketPath: string): readonly string[] {
  const { directory } = options;
  return [
    'dockerd',
    `--data-root=${options.dataRoot ?? join(directory, 'data')}`,
    `--exec-root=${join(directory, 'exec')}`,
    `--pidfile=${join(directory, 'docker.pid')}`,
    `--host=unix://${socketPath}`,
    `--cgroup-parent=/${options.controlGroup}`,
    `--live-restore=${options.liveRestore ?? true}`,
    '--bridge=none',
    '--iptables=false',
    '--ip6tables=false',
    '--shutdown-timeout=5',
    '--insecure-registry=10.77.0.0/24',
  ];
}
