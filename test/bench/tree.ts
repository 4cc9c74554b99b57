// The three-member tree of the fleet's benchmarks, twice: deployed by Leafward on this machine, and started by hand
// as the yardstick. The same program, the same versions, the same settings.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mapOf } from '@leafward/agent/engines/synapse/telepath/value.js';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { startCell, untilAnswers, type CellProcess } from '../standin/cell-process.js';
import { connectCell } from '../standin/client.js';

export type Environment = Readonly<Record<string, string>>;
export type Storages = Readonly<Record<string, string>>;

export const LEADER = '00.cortex';
const HOSTS = ['alpha', 'bravo', 'charlie'];
const LOOK_EVERY_MS = 5;
const PATIENCE_MS = 60_000;

export const imageOf = (dir: string, version: string): Promise<string> =>
  buildCellImage({ version, outDir: join(dir, 'images') });

/** A leader and mirrors of it, over three hosts. */
export async function membersOn(
  count: number,
  hosts: readonly string[] = HOSTS,
): Promise<readonly CortexMember[]> {
  const ports = await freePorts(count);
  return ports.map((port, i) => ({
    name: `0${i}.cortex`,
    host: hosts[i % hosts.length] ?? '',
    port,
    ...(i === 0 ? {} : { upstream: LEADER }),
  }));
}

export interface DeployedTree {
  readonly fleet: LocalFleet;
  readonly members: readonly CortexMember[];
  readonly storages: Storages;
  /** Members outlive their agents on purpose, so they are ended here. */
  end(): Promise<void>;
}

export interface DeployOptions {
  readonly dir: string;
  readonly version: string;
  readonly members: readonly CortexMember[];
  readonly environment: Environment;
  /** The service's policy, as YAML. */
  readonly failover?: string;
}

export async function deployTree(options: DeployOptions): Promise<DeployedTree> {
  const { dir, members, environment, failover } = options;
  const storages = Object.fromEntries(members.map((one) => [one.name, storageOf(dir, one)]));
  const hosts = [...new Set(members.map((one) => one.host))];
  const fleet = await startLocalFleet({ dir, hosts });
  const end = async (): Promise<void> => {
    await fleet.stop();
    for (const storage of Object.values(storages)) await killProcessesOn(storage);
  };
  try {
    const image = await imageOf(dir, options.version);
    const path = join(dir, 'fleet.yaml');
    await writeFile(
      path,
      cortexManifest({
        dir,
        image,
        members,
        environment,
        ...(failover === undefined ? {} : { failover }),
      }),
    );
    await fleet.carryOut(['deploy', path]);
    return { fleet, members, storages, end };
  } catch (error) {
    await end();
    throw error;
  }
}

export interface HandTree {
  readonly storages: Storages;
  /** Stops the member and starts it with this image; returns when it leads, or mirrors and has caught up. */
  restart(member: string, image: string): Promise<void>;
  end(): Promise<void>;
}

export async function startHandTree(options: DeployOptions): Promise<HandTree> {
  const { dir, members, environment } = options;
  const storages = Object.fromEntries(members.map((one) => [one.name, join(dir, one.name)]));
  const cells = new Map<string, CellProcess>();
  const start = async (member: CortexMember, image: string): Promise<void> => {
    const storage = storages[member.name] ?? '';
    await mkdir(storage, { recursive: true });
    const listen = `tcp://127.0.0.1:${member.port}`;
    const upstream = members.find((one) => one.name === member.upstream);
    const cell = startCell({
      image,
      storage,
      environment: {
        SYN_CELL_LISTEN: listen,
        SYN_CELL_ADVERTISE: listen,
        ...environment,
        ...(upstream === undefined ? {} : { SYN_CELL_MIRROR: `tcp://127.0.0.1:${upstream.port}` }),
      },
    });
    cells.set(member.name, cell);
    await untilAnswers(cell, PATIENCE_MS);
    await untilCaughtUp(storage, storages[LEADER] ?? '');
  };
  const end = async (): Promise<void> => {
    await Promise.all([...cells.values()].map((cell) => cell.stop()));
  };
  try {
    const image = await imageOf(dir, options.version);
    for (const member of members) await start(member, image);
  } catch (error) {
    await end();
    throw error;
  }
  return {
    storages,
    restart: async (name, image) => {
      const member = members.find((one) => one.name === name);
      if (member === undefined) throw new Error(`no member ${name}`);
      await cells.get(name)?.stop();
      await start(member, image);
    },
    end,
  };
}

/** Returns when the member leads, or is ready, not read-only and has all that the leader has. */
export async function untilCaughtUp(storage: string, leaderStorage: string): Promise<void> {
  await eventually(
    `the member in ${storage} is caught up`,
    PATIENCE_MS,
    async () => {
      const own = await lookAt(storage);
      if (own.active) return true;
      if (!own.ready || own.readOnly) return false;
      return own.position >= (await lookAt(leaderStorage)).position;
    },
    LOOK_EVERY_MS,
  );
}

async function lookAt(storage: string) {
  const client = await connectCell({ url: storage, deadlineMs: 2000 });
  try {
    const answers = await Promise.all([
      client.call({ method: 'getCellInfo' }),
      client.getPosition(),
    ]);
    const cell = mapOf(mapOf(answers[0])['cell']);
    return {
      active: cell['active'] === true,
      ready: cell['ready'] === true,
      readOnly: mapOf(cell['nexus'])['readonly'] === true,
      position: answers[1],
    };
  } finally {
    client.close();
  }
}
