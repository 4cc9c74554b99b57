// What the scenarios need to know of a database besides what its kind says: how to write to it and read from it,
// past Leafward, over the socket in its storage.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  startWriting,
  type Acknowledged,
  type LeaderClient,
  type Writer,
} from '../fleet/writing.js';

export interface Server {
  readonly member: string;
  /** As this machine reaches it. */
  readonly storage: string;
  readonly port: number;
}

export interface DatabaseClient extends LeaderClient {
  /** Of a leader: ready for writes. Idempotent. */
  prepare(): Promise<void>;
  /** Every value that it has. */
  held(): Promise<ReadonlySet<string>>;
}

export interface Database {
  readonly kind: 'postgresql' | 'redis';
  /** Of this machine; it refuses root. */
  readonly user: string;
  /** Variable of the password, for servers and for clients. */
  readonly passwordVariable: string;
  /** What its member's launcher gets, after the storage. */
  readonly options: readonly string[];
  readonly upstreamUrl: string;
  connect(server: Server, password: string): Promise<DatabaseClient>;
  /** Nothing more reaches the leader's mirrors, which say so or not; undone by what it returns, once it is dead. */
  holdBack(
    leader: Server,
    mirrors: readonly Server[],
    password: string,
  ): Promise<() => Promise<void>>;
}

const root = join(import.meta.dirname, '../../..');

export const programOf = ({ kind }: Database): string =>
  join(root, 'deploy/engines', kind, `leafward-${kind}`);

/** The manifest's section `kinds:`, as it is shipped. */
export const kindOf = ({ kind }: Database): Promise<string> =>
  readFile(join(root, 'deploy/engines', kind, 'kind.yaml'), 'utf8');

export interface WritersOf {
  readonly servers: readonly Server[];
  readonly password: string;
  readonly prefix?: string;
}

/** Writes to whoever leads; commits are counted when the server has acknowledged them. */
export const startDatabaseWriter = (database: Database, options: WritersOf): Writer =>
  startWriting({
    everyMs: 20,
    prefix: options.prefix ?? 'write',
    findLeader: async () => {
      for (const server of options.servers) {
        const client = await clientOfLeader(database, server, options.password);
        if (client !== undefined) return client;
      }
      return undefined;
    },
  });

async function clientOfLeader(
  database: Database,
  server: Server,
  password: string,
): Promise<LeaderClient | undefined> {
  let client: DatabaseClient | undefined;
  try {
    client = await database.connect(server, password);
    if (await client.leads()) {
      await client.prepare();
      return client;
    }
  } catch {
    // it is down, or begins, or ends
  }
  client?.close();
  return undefined;
}

export async function heldBy(
  database: Database,
  server: Server,
  password: string,
): Promise<ReadonlySet<string>> {
  const client = await database.connect(server, password);
  try {
    return await client.held();
  } finally {
    client.close();
  }
}

/** What was acknowledged and is not held by this member. */
export async function missingAt(
  database: Database,
  server: Server,
  options: { readonly password: string; readonly acknowledged: readonly Acknowledged[] },
): Promise<readonly Acknowledged[]> {
  const held = await heldBy(database, server, options.password);
  return options.acknowledged.filter(({ value }) => !held.has(value));
}
