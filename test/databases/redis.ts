// Redis 7 as Debian ships it.
import { join } from 'node:path';
import { converse } from './conversation.js';
import type { Database } from './database.js';

/** A fenced leader answers no write at all. */
const DEADLINE_MS = 2000;

export const redis: Database = {
  kind: 'redis',
  user: 'redis',
  passwordVariable: 'REDISCLI_AUTH',
  options: ['{port.sql}'],
  upstreamUrl: 'redis://{address}:{port.sql}',
  connect: async (server, password) => {
    const cli = converse({
      argv: ['redis-cli', '--raw', '-s', join(server.storage, 'run/redis.sock')],
      environment: { REDISCLI_AUTH: password },
      echo: (word) => `ECHO ${word}`,
      deadlineMs: DEADLINE_MS,
    });
    return {
      member: server.member,
      leads: async () => (await cli.ask('ROLE'))[0] === 'master',
      prepare: async () => undefined,
      write: async (value) => {
        const [added] = await cli.ask(`SADD writes ${value}`);
        if (added !== '1') throw new Error(`SADD of ${value} answered ${added ?? 'nothing'}`);
        const info = (await cli.ask('INFO replication')).join('\n');
        return Number(/^master_repl_offset:(\d+)/m.exec(info)?.[1]);
      },
      held: async () => new Set(await cli.ask('SMEMBERS writes')),
      close: () => cli.close(),
    };
  },
};
