// PostgreSQL and Redis side by side on three booted hosts, in containers by digest: each a leader, a mirror and a
// mirror of that mirror. What the scenario begins with, and how it looks past Leafward.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { MemberView } from '@leafward/shared/gen/domain.js';
import { eventually } from '../rig/conditions.js';
import type { Host } from '../rig/host.js';
import { startRigFleet, type RigFleet } from '../rig/rig-fleet.js';
import { createRig, type Rig } from '../rig/rig.js';
import { kindOf, type Database, type Server } from './database.js';
import { pushDatabaseImage } from './images.js';
import { postgresql } from './postgresql.js';
import { redis } from './redis.js';
import { wholenessOf } from './whole.js';

export const PASSWORD = 'battery staple';
const databases: readonly Database[] = [postgresql, redis];
const HOSTS = ['alpha', 'bravo', 'charlie'] as const;
const PORTS = { postgresql: 5432, redis: 6379 } as const;

export interface DatabasesOnHosts {
  readonly rig: Rig;
  readonly fleet: RigFleet;
  /** Digest references by kind. */
  images(version: string): Promise<Readonly<Record<string, string>>>;
  /** Writes the manifest of both services and returns its path. */
  manifest(images: Readonly<Record<string, string>>): Promise<string>;
  serversOf(database: Database): readonly Server[];
  server(member: string): Server;
  hostOf(member: string): Host;
  membersOf(database: Database): Promise<readonly MemberView[]>;
  /** Waits until one leads and all others mirror. Returns the leader. */
  untilWhole(database: Database): Promise<string>;
}

/** 00.redis on alpha leads, 01 on bravo mirrors it, 02 on charlie mirrors that. */
const memberOf = ({ kind }: Database, index: number): string => `0${index}.${kind}`;
const storageOf = (member: string): string => `/srv/${member}`;

export async function bootDatabaseHosts(): Promise<DatabasesOnHosts> {
  const rig = await createRig({ hosts: HOSTS, onDisk: ['/srv'] });
  const [registry, fleet] = await Promise.all([
    rig.startRegistry(),
    startRigFleet(rig),
    rig.boot(),
  ]).catch(async (error: unknown) => {
    await rig.dispose();
    throw error;
  });
  const secretPath = join(rig.directory, 'password');
  await writeFile(secretPath, PASSWORD);
  await fleet.cli(['secret', 'set', 'database', '--from-file', secretPath]);
  const servers = databases.flatMap((database) =>
    HOSTS.map((host, index) => {
      const member = memberOf(database, index);
      const storage = rig.host(host).onMachine(storageOf(member));
      return { member, storage, port: PORTS[database.kind], kind: database.kind, host };
    }),
  );
  const found = (member: string) => {
    const server = servers.find((one) => one.member === member);
    if (server === undefined) throw new Error(`there is no member ${member}`);
    return server;
  };
  const membersOf = async ({ kind }: Database): Promise<readonly MemberView[]> =>
    (await fleet.status()).services.find(({ service }) => service === kind)?.members ?? [];
  return {
    rig,
    fleet,
    images: async (version) =>
      Object.fromEntries(
        await Promise.all(
          databases.map(async (database) => [
            database.kind,
            await pushDatabaseImage(rig, registry, { database, version }),
          ]),
        ),
      ) as Record<string, string>,
    manifest: async (images) => {
      const path = join(rig.directory, 'fleet.yaml');
      await writeFile(path, await manifestText(rig, images));
      return path;
    },
    serversOf: ({ kind }) => servers.filter((one) => one.kind === kind),
    server: found,
    hostOf: (member) => rig.host(found(member).host),
    membersOf,
    untilWhole: (database) => {
      const leaderOf = wholenessOf();
      return eventually(
        `${database.kind} is whole`,
        async () => leaderOf(await membersOf(database)),
        { timeoutMs: 120_000, everyMs: 200 },
      );
    },
  };
}

/** Enrols it and makes the directories for the user of the containers. */
export async function enrolDatabaseHost({ fleet }: DatabasesOnHosts, host: Host): Promise<void> {
  await fleet.enrol(host);
  const index = HOSTS.findIndex((name) => name === host.name);
  const paths = databases.map((database) => storageOf(memberOf(database, index)));
  await host.exec(['install', '--directory', '--owner=999', ...paths]);
}

async function manifestText(rig: Rig, images: Readonly<Record<string, string>>): Promise<string> {
  const kinds = await Promise.all(
    databases.map(async (database) => parse(await kindOf(database)) as { readonly kinds: object }),
  );
  return stringify({
    fleet: 'rig',
    hosts: Object.fromEntries(HOSTS.map((host) => [host, { address: rig.host(host).address }])),
    kinds: Object.assign({}, ...kinds.map((one) => one.kinds)) as object,
    services: Object.fromEntries(
      databases.map((database) => [database.kind, serviceOf(database, images)]),
    ),
  });
}

function serviceOf(database: Database, images: Readonly<Record<string, string>>): object {
  return {
    kind: database.kind,
    image: images[database.kind],
    command: [`leafward-${database.kind}`, 'run', '{storage}', ...database.options],
    user: '999',
    storage: '/srv/{member}',
    ports: { sql: PORTS[database.kind] },
    upstreamUrl: database.upstreamUrl,
    environment: { [database.passwordVariable]: { secret: 'database' } },
    stopGrace: '10s',
    update: { requireBackup: false },
    failover: { onIsolation: 'stop', lease: '6s', stopGrace: '3s' },
    members: Object.fromEntries(
      HOSTS.map((host, index) => [
        memberOf(database, index),
        { host, ...(index === 0 ? {} : { upstream: memberOf(database, index - 1) }) },
      ]),
    ),
  };
}
