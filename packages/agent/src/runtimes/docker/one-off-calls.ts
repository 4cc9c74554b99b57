// The Engine's calls for a container of one command, one function each, without opinions.
import type { IncomingMessage } from 'node:http';
import { orUndefined, pathOf } from './containers.js';
import type { EngineDeadlines } from './deadlines.js';
import type { EngineClient } from './engine-client.js';

export interface OneOffCalls {
  create(name: string, config: object, signal: AbortSignal): Promise<void>;
  /** Its output from its beginning on; before it was started. */
  attach(name: string, signal: AbortSignal): Promise<IncomingMessage>;
  start(name: string, signal: AbortSignal): Promise<void>;
  /** Its exit code once it has ended; undefined: it is gone. */
  untilOver(name: string, signal: AbortSignal): Promise<number | undefined>;
  /** Kills what runs in it. Nothing happens when it is gone. */
  remove(nameOrId: string, signal: AbortSignal): Promise<void>;
}

export function oneOffCalls(client: EngineClient, deadlines: EngineDeadlines): OneOffCalls {
  const post = { method: 'POST', deadlineMs: deadlines.changeMs } as const;
  return {
    create: async (name, body, signal) => {
      const doing = `create container ${name}`;
      const path = '/containers/create';
      await client.ask({ ...post, doing, path, query: { name }, body, signal });
    },
    attach: (name, signal) => {
      const doing = `attach to container ${name}`;
      const query = { stream: true, stdout: true, stderr: true };
      const deadlineMs = deadlines.inspectMs;
      const path = pathOf(name, '/attach');
      return client.open({ ...post, doing, path, query, deadlineMs, signal });
    },
    start: async (name, signal) => {
      const doing = `start container ${name}`;
      await client.ask({ ...post, doing, path: pathOf(name, '/start'), signal });
    },
    untilOver: async (name, signal) => {
      const doing = `wait for container ${name}`;
      const path = pathOf(name, '/wait');
      const call = client.ask<{ readonly StatusCode: number }>({ ...post, doing, path, signal });
      return (await orUndefined(call))?.StatusCode;
    },
    remove: async (nameOrId, signal) => {
      const doing = `remove container ${nameOrId} by force`;
      const query = { force: true, v: true };
      const path = pathOf(nameOrId);
      await orUndefined(client.ask({ ...post, method: 'DELETE', doing, path, query, signal }));
    },
  };
}
