// The databases of this machine as container images: Debian's programs with what they load, and the program that the
// kind ships, as an operator's Dockerfile would put it in. Versions differ in a label and in what is answered.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageRecipe } from '../rig/image.js';
import type { Registry } from '../rig/registry.js';
import type { Rig } from '../rig/rig.js';
import { programOf, type Database } from './database.js';
import { POSTGRESQL_PROGRAMS } from './postgresql.js';

type Parts = Pick<ImageRecipe, 'programs' | 'data'>;

const POSTGRESQL = [
  ...['postgres', 'initdb', 'pg_ctl', 'psql', 'pg_isready', 'pg_controldata'],
  ...['pg_basebackup', 'pg_verifybackup', 'pg_waldump', 'pg_resetwal'],
];
/** What a new cluster and replication load; the compiler of queries would be ten times all the rest. */
const MODULES = ['dict_snowball.so', 'plpgsql.so', 'libpqwalreceiver.so'];

const partsOf: Readonly<Record<Database['kind'], () => Promise<Parts>>> = {
  postgresql: async () => ({
    programs: [
      ...POSTGRESQL.map((name) => join(POSTGRESQL_PROGRAMS, name)),
      ...MODULES.map((name) => join(POSTGRESQL_PROGRAMS, '../lib', name)),
    ],
    data: [
      ...(await filesBelow('/usr/share/postgresql/15')),
      ...(await filesBelow('/usr/lib/locale/C.utf8')),
    ],
  }),
  redis: async () => ({
    programs: ['redis-server', 'redis-cli', 'redis-check-rdb'].map((name) => `/usr/bin/${name}`),
  }),
};

/** Returns address/KIND@DIGEST. */
export async function pushDatabaseImage(
  rig: Rig,
  registry: Registry,
  { database, version }: { readonly database: Database; readonly version: string },
): Promise<string> {
  const name = `leafward-${database.kind}`;
  const image = await rig.buildImage({
    ...(await partsOf[database.kind]()),
    files: { [`/usr/bin/${name}`]: await readFile(programOf(database), 'utf8') },
    command: [name],
    labels: { 'org.opencontainers.image.version': version },
    environment: { LEAFWARD_RELEASE: version },
  });
  const digest = await registry.push(image, database.kind, version);
  return `${registry.address}/${database.kind}@${digest}`;
}

async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
