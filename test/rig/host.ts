// A whole host: systemd as PID 1 over this machine's own programs (an overlay of /), in a network namespace of
// the rig, with control groups, machine-id and units of its own. What it writes stays over a power cut, as on
// a disk; what lies under /run and /tmp does not.
import { cp, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { controllers, makeGroup, removeGroups } from './cgroups.js';
import { eventually } from './conditions.js';
import type { Peer } from './network.js';
import { makeVolume, type HostVolume } from './volume.js';
import {
  plainEnvironment,
  run,
  start,
  startTicks,
  tryRun,
  type Result,
  type RigProcess,
  type RunOptions,
} from './processes.js';

export interface HostOptions {
  readonly peer: Peer;
  /** Below it: log, overlay and what is kept on the real disk. */
  readonly directory: string;
  readonly recordPath: string;
  readonly controlGroup: string;
  /** Names that the host can resolve, besides its own. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Starts docker.service at boot. Default true. */
  readonly docker?: boolean;
  /** The Engine keeps containers while it restarts. Default true. */
  readonly liveRestore?: boolean;
  /** Directories that lie on the machine's disk instead of in memory, besides /var/lib/docker. */
  readonly onDisk?: readonly string[];
  /** Of these, by directory: a volume of its own of so many bytes, that can be filled and made to hang. */
  readonly volumes?: Readonly<Record<string, number>>;
  /** [on this machine, inside the host]: trees that it only reads. */
  readonly readOnly?: readonly (readonly [string, string])[];
}

export interface Host extends Peer {
  readonly logPath: string;
  /** Returns when systemd says that the boot is over; units of multi-user.target are then started. */
  boot(): Promise<void>;
  /** Everything of it dies at once, nothing is told. */
  powerCut(): Promise<void>;
  /** Stops its units in order, then boots again. */
  reboot(): Promise<void>;
  /** Stops its units in order and stays off. */
  shutDown(): Promise<void>;
  isUp(): boolean;
  /** Runs a program inside, to its end. @throws Error when it fails */
  exec(argv: readonly string[], options?: RunOptions): Promise<string>;
  tryExec(argv: readonly string[], options?: RunOptions): Promise<Result>;
  /** Signals the main process of a unit alone: members of the process runtime share the agent's group. */
  killUnit(unit: string, signal: NodeJS.Signals): Promise<void>;
  /** Writes a file into its root, up or down. */
  write(path: string, text: string, mode?: number): Promise<void>;
  /** Copies a file or tree of this machine into its root, up or down. */
  install(source: string, target: string): Promise<void>;
  /** Where this machine has a path of the host that lies below one of `onDisk`, up or down. */
  onMachine(path: string): string;
  /** @throws Error for a directory that has no volume of its own */
  volume(path: string): HostVolume;
  /** Its Engine's socket, as reachable from this machine while the host is up. */
  engineSocketPath(): string;
}

interface Running {
  readonly process: RigProcess;
  readonly leader: number;
  readonly leaderTicks: number;
}

/** Prepares the host's disk; it is off until `boot`. */
export async function makeHost(options: HostOptions): Promise<Host> {
  const { peer, directory } = options;
  const root = join(directory, 'root');
  const logPath = join(directory, 'log');
  await makeDisk(options, root);
  const volumes = await makeVolumes(options);
  let running: Running | undefined;
  const up = (): Running => {
    if (running === undefined || !running.process.isRunning())
      throw new Error(`host ${peer.name} is off`);
    return running;
  };
  const inside = (argv: readonly string[]): readonly string[] => inHost(up().leader, argv);
  const tryExec = async (argv: readonly string[], more?: RunOptions): Promise<Result> =>
    tryRun(inside(argv), more);
  const exec = async (argv: readonly string[], more?: RunOptions): Promise<string> =>
    run(inside(argv), more);
  const halted = async (verb: string): Promise<void> => {
    const { process } = up();
    await tryExec(['systemctl', '--no-block', verb]);
    await process.ended(120_000);
    await isGone(options);
  };
  const host: Host = {
    ...peer,
    logPath,
    boot: async () => {
      if (running?.process.isRunning() === true) throw new Error(`host ${peer.name} is up already`);
      running = await bootHost(options, root, logPath);
    },
    powerCut: async () => {
      const { leader, leaderTicks, process: nspawn } = up();
      if (startTicks(leader) === leaderTicks) process.kill(leader, 'SIGKILL');
      await nspawn.ended();
      await isGone(options);
    },
    reboot: async () => {
      await halted('reboot');
      await host.boot();
    },
    shutDown: () => halted('poweroff'),
    isUp: () => running?.process.isRunning() === true,
    exec,
    tryExec,
    killUnit: async (unit, signal) => {
      await exec(['systemctl', 'kill', '--kill-who=main', `--signal=${signal}`, unit]);
    },
    write: async (path, text, mode = 0o644) => {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text, { mode });
    },
    install: async (source, target) => {
      await mkdir(dirname(join(root, target)), { recursive: true });
      await cp(source, join(root, target), { recursive: true, force: true });
    },
    onMachine: (path) => {
      const bind = diskBinds(options).find(([, target]) => path.startsWith(`${target}/`));
      if (bind === undefined) throw new Error(`${path} of host ${peer.name} is not on the disk`);
      return join(bind[0], path.slice(bind[1].length));
    },
    volume: (path) => {
      const volume = volumes.get(path);
      if (volume === undefined) throw new Error(`${path} of host ${peer.name} is no volume`);
      return volume;
    },
    engineSocketPath: () => `/proc/${up().leader}/root/run/docker.sock`,
  };
  return host;
}

/** Memory for what the host writes over this machine's root; 2 GB is a limit, not a reservation. */
async function makeDisk(options: HostOptions, root: string): Promise<void> {
  const { peer, directory, addresses, docker = true } = options;
  const memory = join(directory, 'memory');
  await mkdir(memory, { recursive: true });
  await mkdir(root);
  await run(['mount', '-t', 'tmpfs', '-o', 'size=2g,mode=755', 'tmpfs', memory]);
  const upper = join(memory, 'upper');
  const work = join(memory, 'work');
  await mkdir(upper);
  await mkdir(work);
  const layers = `lowerdir=/,upperdir=${upper},workdir=${work}`;
  await run(['mount', '-t', 'overlay', 'overlay', '-o', layers, root]);
  for (const [source] of diskBinds(options)) await mkdir(source, { recursive: true });
  const etc = join(root, 'etc');
  await writeFile(join(etc, 'hostname'), `${peer.name}\n`);
  const machineId = createHash('md5').update(directory).digest('hex');
  await writeFile(join(etc, 'machine-id'), `${machineId}\n`);
  const names = [...addresses].map(([name, address]) => `${address} ${name}`);
  await writeFile(join(etc, 'hosts'), ['127.0.0.1 localhost', ...names, ''].join('\n'));
  // This machine's own services must not start in every host.
  for (const target of ['multi-user', 'sockets', 'timers', 'sysinit'])
    await emptyFolder(join(etc, `systemd/system/${target}.target.wants`));
  if (docker) await symlinkDocker(etc);
  await mkdir(join(etc, 'docker'), { recursive: true });
  await writeFile(join(etc, 'docker/daemon.json'), engineConfig(options.liveRestore ?? true));
}

async function makeVolumes(options: HostOptions): Promise<ReadonlyMap<string, HostVolume>> {
  const made = new Map<string, HostVolume>();
  for (const [path, sizeBytes] of Object.entries(options.volumes ?? {})) {
    const directory = diskBinds(options).find(([, target]) => target === path)?.[0];
    if (directory === undefined) throw new Error(`${path} is not among the directories on disk`);
    made.set(path, await makeVolume({ file: `${directory}.img`, directory, sizeBytes }));
  }
  return made;
}

async function symlinkDocker(etc: string): Promise<void> {
  const wants = join(etc, 'systemd/system/multi-user.target.wants');
  await symlink('/lib/systemd/system/docker.service', join(wants, 'docker.service'));
}

async function emptyFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  for (const name of await readdir(path)) await rm(join(path, name), { force: true });
}

function engineConfig(liveRestore: boolean): string {
  return JSON.stringify({
    bridge: 'none',
    iptables: false,
    ip6tables: false,
    'live-restore': liveRestore,
    'insecure-registries': ['10.77.0.0/24'],
  });
}

/** [on this machine, inside the host]. An Engine's overlays need a real file system below them. */
function diskBinds({
  directory,
  onDisk = [],
}: HostOptions): readonly (readonly [string, string])[] {
  return ['/var/lib/docker', ...onDisk].map(
    (path) => [join(directory, 'disk', path.replaceAll('/', '_')), path] as const,
  );
}

/** Joins the groups whose files are named before `--`, then becomes the program after it. */
const JOIN_AND_EXEC =
  'while [ "$1" != -- ]; do echo $$ >"$1" || exit 1; shift; done; shift; exec "$@"';

async function bootHost(options: HostOptions, root: string, logPath: string): Promise<Running> {
  const { peer, controlGroup, recordPath } = options;
  for (const [, target] of [...diskBinds(options), ...(options.readOnly ?? [])])
    await mkdir(join(root, target), { recursive: true });
  const groups = await makeGroup(controlGroup);
  const nspawn = start(
    ['sh', '-c', JOIN_AND_EXEC, 'sh', ...groups, '--', ...nspawnCommand(options, root)],
    { logPath, recordPath },
  );
  const leader = await eventually(
    `host ${peer.name} boots (${logPath})`,
    async () => {
      if (!nspawn.isRunning()) throw new Error('systemd-nspawn ended');
      const pid = Number((await run(['pgrep', '-P', String(nspawn.pid)])).split('\n')[0]);
      const asked = await tryRun(inHost(pid, ['systemctl', 'is-system-running']));
      return /^(running|degraded)/.test(asked.stdout) ? pid : undefined;
    },
    { timeoutMs: 60_000 },
  );
  await run(inHost(leader, ['sh', '-c', openTree()]));
  await run(inHost(leader, ['systemctl', 'start', 'multi-user.target']), { timeoutMs: 60_000 });
  return { process: nspawn, leader, leaderTicks: startTicks(leader) ?? -1 };
}

/**
 * systemd-nspawn mounts version-1 controllers and /proc/sys read-only. An Engine needs the controllers and its
 * network's settings, and systemd must look at the controllers again.
 */
function openTree(): string {
  const groups = controllers().map((name) => `mount -o remount,bind,rw /sys/fs/cgroup/${name}`);
  return [
    'set -e',
    'mount --bind /proc/sys/net /proc/sys/net',
    'mount -o remount,bind,rw /proc/sys/net',
    ...groups,
    ...(groups.length > 0 ? ['systemctl daemon-reexec'] : []),
  ].join('\n');
}

function inHost(leader: number, argv: readonly string[]): readonly string[] {
  return ['nsenter', '--target', String(leader), '--all', '--', ...argv];
}

function nspawnCommand(options: HostOptions, root: string): readonly string[] {
  const { peer, controlGroup } = options;
  return [
    'systemd-nspawn',
    '--quiet',
    `--directory=${root}`,
    `--machine=${controlGroup}`,
    `--hostname=${peer.name}`,
    '--register=no',
    '--keep-unit',
    '--link-journal=no',
    '--console=pipe',
    `--network-namespace-path=${peer.namespacePath}`,
    '--capability=CAP_NET_ADMIN',
    '--system-call-filter=@keyring bpf',
    `--setenv=PATH=${plainEnvironment.PATH ?? ''}`,
    ...diskBinds(options).map(([source, target]) => `--bind=${source}:${target}`),
    ...(options.readOnly ?? []).map(([source, target]) => `--bind-ro=${source}:${target}`),
    '--boot',
    // multi-user.target follows when the control groups are writable.
    'systemd.unit=basic.target',
  ];
}

/** After its PID 1 died the kernel kills the rest; nothing of the last life may meet the next one. */
async function isGone({ controlGroup }: HostOptions): Promise<void> {
  await removeGroups((group) => group === controlGroup);
}
