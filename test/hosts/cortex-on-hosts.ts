// A Cortex of stand-in cells on three booted hosts, as containers by digest: a leader, two mirrors and a mirror of
// a mirror. What the scenarios begin with, and how they look at it past Leafward: at the Engines and the storages.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pushCellImage } from '../rig/cell-image.js';
import { eventually } from '../rig/conditions.js';
import type { Host } from '../rig/host.js';
import type { Registry } from '../rig/registry.js';
import { startRigFleet, type RigFleet } from '../rig/rig-fleet.js';
import { createRig, type Rig } from '../rig/rig.js';

export const UNIT = 'leafward-agent.service';

/** Where all storages of a host lie: a volume of its own, so that it can be full and can hang. */
export const DATA = '/srv';
/** Takes no more of the machine than is written to it. */
const DATA_BYTES = 2 * 2 ** 30;

interface Member {
  readonly host: string;
  readonly port: number;
  readonly upstream?: string;
}

export const members: Readonly<Record<string, Member>> = {
  '00.cortex': { host: 'alpha', port: 27_492 },
  '01.cortex': { host: 'bravo', port: 27_492, upstream: '00.cortex' },
  '02.cortex': { host: 'charlie', port: 27_492, upstream: '01.cortex' },
  '03.cortex': { host: 'charlie', port: 27_493, upstream: '00.cortex' },
};

/** Of each mirror, as it is deployed. */
export const upstreams: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(members).flatMap(([name, { upstream }]) =>
    upstream === undefined ? [] : [[name, upstream] as const],
  ),
);

/** Of the tree above: the higher is updated first. */
export const depths: Readonly<Record<string, number>> = {
  '00.cortex': 0,
  '01.cortex': 1,
  '02.cortex': 2,
  '03.cortex': 1,
};

/** A container as the Engine knows it. */
export interface SeenContainer {
  readonly id: string;
  readonly running: boolean;
  readonly startedAt: number;
  readonly restartPolicy: string;
  readonly networkMode: string;
  /** name@sha256:… as it was created. */
  readonly image: string;
}

export interface CortexOnHosts {
  readonly rig: Rig;
  readonly fleet: RigFleet;
  /** Storage directories by member, as this machine reaches them: also the members' sockets. */
  readonly storages: Readonly<Record<string, string>>;
  hostOf(member: string): Host;
  /** The image of a version by its digest; pushed when it is first asked for. */
  image(version: string): Promise<string>;
  /** Writes the manifest and returns its path. `failover`: the service's policy, as YAML. */
  manifest(image: string, failover?: string): Promise<string>;
  container(member: string): Promise<SeenContainer>;
  containers(): Promise<Readonly<Record<string, SeenContainer>>>;
}

/** Booted and with a controller; nobody is enrolled yet. */
export async function bootCortexHosts(): Promise<CortexOnHosts> {
  const rig = await createRig({
    hosts: ['alpha', 'bravo', 'charlie'],
    onDisk: [DATA],
    volumes: { [DATA]: DATA_BYTES },
  });
  const [registry, fleet] = await Promise.all([
    rig.startRegistry(),
    startRigFleet(rig),
    rig.boot(),
  ]).catch(async (error: unknown) => {
    await rig.dispose();
    throw error;
  });
  const hostOf = (member: string): Host => rig.host(members[member]?.host ?? '');
  const container = async (member: string): Promise<SeenContainer> => {
    const text = await hostOf(member).exec(['docker', 'inspect', `leafward-${member}`]);
    return seen((JSON.parse(text) as readonly EngineView[])[0]);
  };
  return {
    rig,
    fleet,
    storages: Object.fromEntries(
      Object.keys(members).map((name) => [name, hostOf(name).onMachine(storageOf(name))]),
    ),
    hostOf,
    image: imagesOf(rig, registry),
    manifest: async (image, failover = '{ onIsolation: keep }') => {
      const path = join(rig.directory, 'fleet.yaml');
      await writeFile(path, manifestOf(rig, image, failover));
      return path;
    },
    container,
    containers: async () =>
      Object.fromEntries(
        await Promise.all(
          Object.keys(members).map(async (name) => [name, await container(name)] as const),
        ),
      ),
  };
}

/** Enrols the hosts and places the members. */
export async function deployCortex(
  cortex: CortexOnHosts,
  version: string,
  failover?: string,
): Promise<void> {
  const { fleet, rig } = cortex;
  await Promise.all(rig.hosts.map((host) => enrolHost(cortex, host)));
  const path = await cortex.manifest(await cortex.image(version), failover);
  await fleet.apply(await fleet.plan(['deploy', path]));
}

/** Enrols it and makes the storage directories for the user of the containers. */
export async function enrolHost({ fleet }: CortexOnHosts, host: Host): Promise<void> {
  await fleet.enrol(host);
  const paths = Object.keys(members)
    .filter((name) => members[name]?.host === host.name)
    .map(storageOf);
  await host.exec(['install', '--directory', '--owner=999', ...paths]);
}

/** Containers that the host's Engine has started since the Engine itself started, by its own account. */
export async function engineStarts(host: Host): Promise<readonly string[]> {
  const script = 'docker events --since 1 --until "$(date +%s.%N)" --filter event=start --format ';
  const lines = (await host.exec(['sh', '-c', `${script}'{{.Actor.Attributes.name}}'`])).split(
    '\n',
  );
  return lines.filter((line) => line !== '');
}

/**
 * Longer than an agent takes from its start to starting a member that it may start (measured: under 1 s). What
 * never happens cannot be waited for.
 */
const WATCHED_MS = 3000;

/** Everything that the host's Engine starts, from when it began until its agent has had time to do harm. */
export async function startsWhileWatched(host: Host): Promise<readonly string[]> {
  await eventually(
    `the agent's unit on ${host.name} is up`,
    async () => (await host.exec(['systemctl', 'is-active', UNIT])).trim() === 'active',
  );
  await delay(WATCHED_MS);
  return engineStarts(host);
}

const storageOf = (member: string): string => `${DATA}/syn/${member}`;

function imagesOf(rig: Rig, registry: Registry): CortexOnHosts['image'] {
  const known = new Map<string, string>();
  return async (version) => {
    const image = known.get(version);
    if (image !== undefined) return image;
    const { digest } = await pushCellImage(rig, registry, version);
    const pushed = `${registry.address}/cell@${digest}`;
    known.set(version, pushed);
    return pushed;
  };
}

interface EngineView {
  readonly Id: string;
  readonly State: { readonly Running: boolean; readonly StartedAt: string };
  readonly HostConfig: {
    readonly NetworkMode: string;
    readonly RestartPolicy: { readonly Name: string };
  };
  readonly Config: { readonly Image: string };
}

function seen(view: EngineView | undefined): SeenContainer {
  if (view === undefined) throw new Error('the Engine shows no container');
  return {
    id: view.Id,
    running: view.State.Running,
    startedAt: Date.parse(view.State.StartedAt),
    restartPolicy: view.HostConfig.RestartPolicy.Name,
    networkMode: view.HostConfig.NetworkMode,
    image: view.Config.Image,
  };
}

function manifestOf(rig: Rig, image: string, failover: string): string {
  const hosts = rig.hosts.map((host) => `  ${host.name}: { address: ${host.address} }\n`);
  const placed = Object.entries(members).map(([name, { host, port, upstream }]) => {
    const above = upstream === undefined ? '' : `, upstream: ${upstream}`;
    return `      ${name}: { host: ${host}, ports: { telepath: ${port} }${above} }\n`;
  });
  return `fleet: rig
hosts:
${hosts.join('')}services:
  cortex:
    kind: synapse
    image: ${image}
    networkMode: host
    storage: /srv/syn/{member}
    upstreamUrl: tcp://{address}:{port.telepath}
    environment:
      SYN_CELL_LISTEN: tcp://{address}:{port.telepath}
      SYN_CELL_ADVERTISE: tcp://{address}:{port.telepath}
      SYN_CELL_START_MS: '100'
      SYN_CELL_MIGRATE_MS: '700'
    stopGrace: 30s
    failover: ${failover}
    members:
${placed.join('')}`;
}
