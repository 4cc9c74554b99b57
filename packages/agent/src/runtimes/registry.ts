// The runtimes of this host, by the name that a spec gives: one line each. Docker is not touched before a
// member or a request asks for it: a host without it is a whole host.
import type { Runtime as RuntimeName } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import type { Adopted } from './docker/adoption.js';
import { createDockerRuntime } from './docker/docker-runtime.js';
import { openProcessRuntime } from './process/process-runtime.js';
import type { Runtime } from './runtime.js';

export interface RuntimesOptions {
  readonly stateDirectory: string;
  /** Usually /var/run/docker.sock. */
  readonly dockerSocket: string;
  readonly log: Logger;
  /** Storages, links resolved, on which a program that was started by hand must be seen. */
  readonly storages?: () => readonly string[];
  /** Containers that the orders of this host take over. */
  readonly adoptions?: (() => readonly Adopted[]) | undefined;
  /** Something may have changed in a runtime that is in use. */
  readonly onChange: () => void;
  readonly signal: AbortSignal;
}

export interface Runtimes {
  of(name: RuntimeName): Runtime;
}

export async function openRuntimes(options: RuntimesOptions): Promise<Runtimes> {
  const watched = (runtime: Runtime): Runtime => {
    runtime.watch(options.onChange, options.signal);
    return runtime;
  };
  const process = watched(await openProcessRuntime(options));
  let docker: Runtime | undefined;
  const factories: Readonly<Record<RuntimeName, () => Runtime>> = {
    process: () => process,
    docker: () =>
      (docker ??= watched(
        createDockerRuntime({
          socketPath: options.dockerSocket,
          log: options.log,
          adoptions: options.adoptions,
        }),
      )),
  };
  return { of: (name) => factories[name]() };
}
