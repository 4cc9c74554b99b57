// Redis 7 as Debian ships it.
import { join } from 'node:path';
import { converse, type Conversation } from './conversation.js';
import type { Database, Server } from './database.js';

/** A fenced leader answers no write at all. */
const DEADLINE_MS = 2000;

export const redis: Database = {
  kind: 'redis',
  user: 'redis',
  passwordVariable: 'REDISCLI_AUTH',
  // Nobody waits for a second mirror to share a snapshot with.
  options: ['{port.sql}', '--repl-diskless-sync-delay', '0'],
  upstreamUrl: 'redis://{address}:{port.sql}',
  connect: async (server, password) => {
    const cli = conversationWith(server, password);
    return {
      member: server.member,
      leads: async () => (await cli.ask('ROLE'))[0] === 'master',
      prepare: async () => undefined,
      write: async (value) => {
        const [added] = await cli.ask(`SADD writes ${JSON.stringify(value)}`);
        if (added !== '1') throw new Error(`SADD of ${value} answered ${added ?? 'nothing'}`);
        const info = (await cli.ask('INFO replication')).join('\n');
        return Number(/^master_repl_offset:(\d+)/m.exec(info)?.[1]);
      },
      held: async () => new Set(await cli.ask('SMEMBERS writes')),
      close: () => cli.close(),
    };
  },
  // They lose their link and cannot log in again.
  holdBack: async (_leader, mirrors, password) => {
    await eachOf(mirrors, password, ['CONFIG SET masterauth wrong', 'CLIENT KILL TYPE master']);
    return () => eachOf(mirrors, password, [`CONFIG SET masterauth ${JSON.stringify(password)}`]);
  },
};

const conversationWith = (server: Server, password: string): Conversation =>
  converse({
    argv: ['redis-cli', '--raw', '-s', join(server.storage, 'run/redis.sock')],
    environment: { REDISCLI_AUTH: password },
    echo: (word) => `ECHO ${word}`,
    deadlineMs: DEADLINE_MS,
  });

async function eachOf(
  servers: readonly Server[],
  password: string,
  commands: readonly string[],
): Promise<void> {
  for (const server of servers) {
    const cli = conversationWith(server, password);
    try {
      for (const command of commands) await cli.ask(command);
    } finally {
      cli.close();
    }
  }
}
