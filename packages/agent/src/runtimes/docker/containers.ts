// The Engine's container calls, one function each, without opinions.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { ContainerSpec } from '../runtime.js';
import { containerConfig, containerName, LABEL_MEMBER } from './container-config.js';
import type { EngineContainer } from './container-fact.js';
import type { EngineDeadlines } from './deadlines.js';
import type { EngineCall, EngineClient } from './engine-client.js';

export interface ContainerCalls {
  /** By name or id; undefined: there is none. */
  inspect(name: string, signal: AbortSignal): Promise<EngineContainer | undefined>;
  /** Ids of all, or of those that carry a member's label whatever they are called. */
  ids(signal: AbortSignal, member?: string): Promise<readonly string[]>;
  create(container: ContainerSpec, image: string, signal: AbortSignal): Promise<void>;
  start(name: string, signal: AbortSignal): Promise<void>;
  stop(id: string, graceMs: number, signal: AbortSignal): Promise<void>;
  /** `volumes`: with those that the Engine made for it alone. */
  remove(id: string, options: { readonly volumes: boolean }, signal: AbortSignal): Promise<void>;
  setRestartPolicyNo(name: string, signal: AbortSignal): Promise<void>;
}

/** Path of one container's resource. */
export const pathOf = (name: string, rest = ''): string =>
  `/containers/${encodeURIComponent(name)}${rest}`;

export function containerCalls(client: EngineClient, deadlines: EngineDeadlines): ContainerCalls {
  const change = async (call: Omit<EngineCall, 'method' | 'deadlineMs'>): Promise<void> => {
    await client.ask({ method: 'POST', deadlineMs: deadlines.changeMs, ...call });
  };
  return {
    inspect: (name, signal) => {
      const doing = `inspect container ${name}`;
      const path = pathOf(name, '/json');
      const deadlineMs = deadlines.inspectMs;
      return orUndefined(
        client.ask<EngineContainer>({ doing, method: 'GET', path, deadlineMs, signal }),
      );
    },
    ids: async (signal, member) => {
      const filters = member === undefined ? {} : { label: [`${LABEL_MEMBER}=${member}`] };
      const found = await client.ask<readonly { readonly Id: string }[]>({
        doing: 'list containers',
        method: 'GET',
        path: '/containers/json',
        query: { all: true, filters },
        deadlineMs: deadlines.listMs,
        signal,
      });
      return found.map((container) => container.Id);
    },
    create: (container, image, signal) => {
      const name = containerName(container.member);
      const body = containerConfig(container, image);
      const doing = `create container ${name}`;
      return change({ doing, path: '/containers/create', query: { name }, body, signal });
    },
    start: (name, signal) => {
      return change({ doing: `start container ${name}`, path: pathOf(name, '/start'), signal });
    },
    stop: async (id, graceMs, signal) => {
      await client.ask({
        doing: `stop container ${id}`,
        method: 'POST',
        path: pathOf(id, '/stop'),
        query: { t: Math.ceil(graceMs / 1000) },
        deadlineMs: graceMs + deadlines.stopSpareMs,
        signal,
      });
    },
    remove: async (id, { volumes }, signal) => {
      await client.ask({
        doing: `remove container ${id}`,
        method: 'DELETE',
        path: pathOf(id),
        query: { force: false, v: volumes },
        deadlineMs: deadlines.changeMs,
        signal,
      });
    },
    setRestartPolicyNo: (name, signal) => {
      const doing = `take the restart policy of container ${name} away`;
      const body = { RestartPolicy: { Name: 'no', MaximumRetryCount: 0 } };
      return change({ doing, path: pathOf(name, '/update'), body, signal });
    },
  };
}

/** Undefined for what is not there (any more). */
export async function orUndefined<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof LeafwardError && error.code === 'not-found') return undefined;
    throw error;
  }
}
