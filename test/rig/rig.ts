// Real hosts on one machine: a switch, a controller's place, and whole hosts that boot, lose power, are cut off
// and come back. Whatever happens, `dispose` leaves nothing; what a killed run left, the next one removes.
import { cp, mkdir, readdir } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { makeHost, type Host } from './host.js';
import { buildImage, type BuiltImage, type ImageRecipe } from './image.js';
import { makeNetwork, type Peer } from './network.js';
import { run, start, tryRun, type RigProcess, type RunOptions } from './processes.js';
import { startRegistry, type Registry } from './registry.js';
import { makeRigDirectory, recordPathOf, removeRemains, sweepRemains } from './remains.js';

export interface RigOptions {
  readonly hosts: readonly string[];
  /** Starts docker.service in each host at boot. Default true. */
  readonly docker?: boolean;
  readonly liveRestore?: boolean;
  /** Directories of the hosts that lie on the machine's disk; see HostOptions. */
  readonly onDisk?: readonly string[];
  /** Of these, by directory: a volume of its own of so many bytes in each host. */
  readonly volumes?: Readonly<Record<string, number>>;
  /** [on this machine, inside the hosts]: trees that they only read. */
  readonly readOnly?: readonly (readonly [string, string])[];
}

/** Where the controller, the registry and the operator are: a network of its own, this machine's files. */
export interface ControllerPlace extends Peer {
  run(argv: readonly string[], options?: RunOptions): Promise<string>;
  /** A long-running program; its log is among the rig's artifacts. */
  start(
    name: string,
    argv: readonly string[],
    options?: Pick<RunOptions, 'environment' | 'cwd'>,
  ): RigProcess;
}

export interface Rig {
  /** The rig's own directory, gone after dispose. */
  readonly directory: string;
  readonly controller: ControllerPlace;
  readonly hosts: readonly Host[];
  /** @throws Error for an unknown name */
  host(name: string): Host;
  /** Boots all at once. */
  boot(): Promise<void>;
  /** On 10.77.0.1:5000. */
  startRegistry(): Promise<Registry>;
  buildImage(recipe: ImageRecipe): Promise<BuiltImage>;
  /** Copies logs and journals to a directory that stays, prints their ends and where they are. */
  keepArtifacts(title: string): Promise<string>;
  dispose(): Promise<void>;
}

export async function createRig(options: RigOptions): Promise<Rig> {
  await sweepRemains();
  const directory = await makeRigDirectory();
  try {
    return await assemble(directory, options);
  } catch (error) {
    await removeRemains(directory);
    throw error;
  }
}

async function assemble(directory: string, options: RigOptions): Promise<Rig> {
  const prefix = basename(directory);
  const recordPath = recordPathOf(directory);
  const { peers } = await makeNetwork(prefix, ['controller', ...options.hosts]);
  const peerOf = (name: string): Peer => {
    const peer = peers.get(name);
    if (peer === undefined) throw new Error(`the rig has no ${name}`);
    return peer;
  };
  const addresses = new Map([...peers].map(([name, peer]) => [name, peer.address]));
  const hosts = await Promise.all(
    options.hosts.map((name) =>
      makeHost({
        ...options,
        peer: peerOf(name),
        directory: join(directory, name),
        recordPath,
        controlGroup: `${prefix}-${name}`,
        addresses,
      }),
    ),
  );
  const controller = controllerPlace(peerOf('controller'), directory);
  return {
    directory,
    controller,
    hosts,
    host: (name) => {
      const found = hosts.find((host) => host.name === name);
      if (found === undefined) throw new Error(`the rig has no host ${name}`);
      return found;
    },
    boot: async () => {
      await Promise.all(hosts.map((host) => host.boot()));
    },
    startRegistry: () =>
      startRegistry({
        directory: join(directory, 'registry'),
        recordPath,
        address: `${controller.address}:5000`,
        inNetwork: controller.inNetwork.bind(controller),
      }),
    buildImage: (recipe) => buildImage(join(directory, 'images'), recipe),
    keepArtifacts: (title) => keepArtifacts(directory, hosts, title),
    dispose: () => removeRemains(directory),
  };
}

function controllerPlace(peer: Peer, directory: string): ControllerPlace {
  return {
    ...peer,
    run: (argv, options) => run(peer.inNetwork(argv), options),
    start: (name, argv, options) =>
      start(peer.inNetwork(argv), {
        ...options,
        logPath: join(directory, `${name}.log`),
        recordPath: recordPathOf(directory),
      }),
  };
}

/** Lines of each log that are printed at once; the whole is in the kept copy. */
const SHOWN_LINES = 40;

async function keepArtifacts(
  directory: string,
  hosts: readonly Host[],
  title: string,
): Promise<string> {
  const kept = join(
    process.env.LEAFWARD_ARTIFACTS ?? join(tmpdir(), 'leafward-artifacts'),
    `${basename(directory)}-${title.replace(/[^a-z0-9]+/gi, '-').slice(0, 60)}`,
  );
  await mkdir(kept, { recursive: true });
  const logs = (await readdir(directory)).filter((name) => name.endsWith('.log'));
  for (const name of logs) await cp(join(directory, name), join(kept, name));
  const registryLog = join(directory, 'registry/registry.log');
  if (existsSync(registryLog)) await cp(registryLog, join(kept, 'registry.log'));
  for (const host of hosts) {
    if (existsSync(host.logPath)) await cp(host.logPath, join(kept, `${host.name}.console.log`));
    if (!host.isUp()) continue;
    const read = 'journalctl --no-pager --lines=2000 --output=short-precise; docker ps --all';
    const { stdout, stderr } = await host.tryExec(['sh', '-c', read]);
    await run(['tee', join(kept, `${host.name}.journal.log`)], { input: stdout + stderr });
  }
  for (const name of await readdir(kept)) {
    const { stdout } = await tryRun([
      'sh',
      '-c',
      'tail -n "$1" "$2" | cut -c1-240',
      'sh',
      String(SHOWN_LINES),
      join(kept, name),
    ]);
    console.log(`── ${name}\n${stdout}`);
  }
  console.log(`── all of it: ${kept}`);
  return kept;
}
