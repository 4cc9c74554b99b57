// PostgreSQL 15 as Debian ships it.
import { join } from 'node:path';
import { converse } from './conversation.js';
import type { Database } from './database.js';
import { send, titled } from './servers.js';

export const POSTGRESQL_PROGRAMS = '/usr/lib/postgresql/15/bin';
/** An in-flight write on a leader that ends may never be answered. */
const DEADLINE_MS = 2000;

export const postgresql: Database = {
  kind: 'postgresql',
  user: 'postgres',
  passwordVariable: 'PGPASSWORD',
  options: [
    ...['-p', '{port.sql}', '-c', 'cluster_name={member}'],
    // A killed server leaves its shared memory behind; in its own storage it goes with that.
    ...['-c', 'dynamic_shared_memory_type=mmap', '-c', 'shared_buffers=16MB'],
  ],
  upstreamUrl: 'postgresql://replicator@{address}:{port.sql}',
  connect: async (server) => {
    const psql = converse({
      argv: [
        join(POSTGRESQL_PROGRAMS, 'psql'),
        ...['-XAtq', '--no-password', '-v', 'ON_ERROR_STOP=1', '-d', 'postgres', '-U', 'postgres'],
        ...['-h', join(server.storage, 'run'), '-p', String(server.port)],
      ],
      environment: { PGCONNECT_TIMEOUT: '2' },
      echo: (word) => `\\echo ${word}`,
      deadlineMs: DEADLINE_MS,
    });
    return {
      member: server.member,
      leads: async () => (await psql.ask('SELECT pg_is_in_recovery();'))[0] === 'f',
      prepare: async () => {
        await psql.ask(
          'SET client_min_messages = error; CREATE TABLE IF NOT EXISTS writes (value text);',
        );
      },
      write: async (value) => {
        const sql = `INSERT INTO writes VALUES ('${value}'); SELECT pg_current_wal_flush_lsn();`;
        return offsetOf((await psql.ask(sql))[0] ?? '');
      },
      held: async () => new Set(await psql.ask('SELECT value FROM writes;')),
      close: () => psql.close(),
    };
  },
  // Its senders are stopped: the mirrors believe that nothing was written. They die with the leader.
  holdBack: async ({ member }) => {
    for (const pid of await titled(`postgres: ${member}: walsender`)) send(pid, 'SIGSTOP');
    return async () => undefined;
  },
};

/** X/Y → X times 2^32 plus Y. */
export function offsetOf(lsn: string): number {
  const [high = '', low = ''] = lsn.split('/');
  const offset = Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16);
  if (!Number.isSafeInteger(offset)) throw new Error(`no position of a log: ${lsn}`);
  return offset;
}
