// Members as containers of the Docker Engine on this host. The Engine keeps them running while the agent is
// away, and restarts none by itself (I2): what starts a member is only ever the agent. Must never touch
// storage, and never start or remove a container that Leafward did not make, nor stop one but on a retired storage.
import type { ContainerFact } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { ContainerSpec, ForeignContainer, Runtime } from '../runtime.js';
import { containerName, LABEL_DRILL, LABEL_SPEC } from './container-config.js';
import { containerCalls, orUndefined, type ContainerCalls } from './containers.js';
import { containerFact, foreignContainer, isOurs, type EngineContainer } from './container-fact.js';
import { engineDeadlines, type EngineDeadlines } from './deadlines.js';
import { connectEngine } from './engine-client.js';
import { watchEngine } from './engine-events.js';
import { engineImages } from './engine-images.js';
import { tailOf } from './engine-logs.js';
import { execCommand } from './exec-command.js';
import { createOneOffs, isOneOff, type OneOffs } from './one-off.js';
import { oneOffCalls } from './one-off-calls.js';

export interface DockerRuntimeOptions {
  /** Usually /var/run/docker.sock. */
  readonly socketPath: string;
  readonly log: Logger;
  /** For tests that cannot wait. */
  readonly deadlines?: Partial<EngineDeadlines>;
}

/** Inspections that run at once in `list`: an Engine serves them in 2 ms each. */
const LIST_AT_ONCE = 8;

export function createDockerRuntime(options: DockerRuntimeOptions): Runtime {
  const deadlines = { ...engineDeadlines, ...options.deadlines };
  const client = connectEngine(options.socketPath);
  const images = engineImages(client, deadlines);
  const containers = containerCalls(client, deadlines);
  const oneOffs = createOneOffs(containers, oneOffCalls(client, deadlines));
  return {
    name: 'docker',
    inspect: (member, signal) => inspectMember(containers, member, signal),
    resolve: images.resolve,
    pull: images.pull,
    hasImage: images.hasImage,
    create: async (container, signal) => {
      if (await isThere(containers, container, signal)) return;
      const image = await images.localName(container.spec.image, signal);
      await containers.create(container, image, signal);
      if (container.isolation !== undefined) await requireApart(containers, container, signal);
    },
    start: async (member, signal) => {
      await requireOurs(containers, 'start', member, signal);
      await containers.start(member, signal);
    },
    stop: (member, graceMs, signal) => stopMember(containers, member, graceMs, signal),
    stopListed: (name, graceMs, signal) => stopOne(containers, name, graceMs, signal),
    run: async (container, command, signal) => {
      const argv = command.argv.map((word) =>
        word.replaceAll('{image}', container.spec.image.reference),
      );
      const filled = { ...command, argv };
      const found = await containers.inspect(containerName(container.member), signal);
      if (found?.State.Running === true && isOurs(found, container.member))
        return execCommand({ client, deadlines }, { id: found.Id, container }, filled, signal);
      const image = await images.localName(container.spec.image, signal);
      return oneOffs.run(container, image, filled, signal);
    },
    remove: (member, signal) => removeMember(containers, member, signal),
    tail: (member, { sinceMs, maxLines }, signal) =>
      tailOf(client, deadlines, { member, sinceMs, maxLines, signal }),
    list: (signal) => listContainers(containers, oneOffs, signal),
    whyNoIsolation: () => Promise.resolve(undefined), // every Engine has the network `none`
    setRestartPolicyNo: (container, signal) => containers.setRestartPolicyNo(container, signal),
    watch: (onChange, signal) => {
      // Never rejects: it ends with the signal.
      void watchEngine({ client, deadlines, log: options.log, onChange, signal });
    },
  };
}

async function inspectMember(
  containers: ContainerCalls,
  member: string,
  signal: AbortSignal,
): Promise<ContainerFact> {
  try {
    const found = await containers.inspect(containerName(member), signal);
    return found === undefined ? { state: 'absent' } : containerFact(found, member);
  } catch (error) {
    return { state: 'unknown', error: messageOf(error) };
  }
}

/** True when an equal one exists. @throws `already-exists` when another one has the name */
async function isThere(
  containers: ContainerCalls,
  container: ContainerSpec,
  signal: AbortSignal,
): Promise<boolean> {
  const name = containerName(container.member);
  const found = await containers.inspect(name, signal);
  if (found === undefined) return false;
  if (isOurs(found, container.member) && found.Config.Labels?.[LABEL_SPEC] === container.specDigest)
    return true;
  const whose = isOurs(found, container.member) ? 'with another spec' : 'not made by Leafward';
  const text = `create container ${name}: there is one already, ${whose}; remove it first`;
  throw new LeafwardError('already-exists', text);
}

/** By the Engine's own word, before it is started: a plugin may have changed what was asked for. */
async function requireApart(
  containers: ContainerCalls,
  { member }: ContainerSpec,
  signal: AbortSignal,
): Promise<void> {
  const name = containerName(member);
  const mode = (await containers.inspect(name, signal))?.HostConfig.NetworkMode;
  if (mode === 'none') return;
  const text = `create container ${name}: it was to have no network, and the Engine gave it ${mode ?? 'none that it tells of'}`;
  throw new LeafwardError('unavailable', `${text}; it is not started`);
}

async function requireOurs(
  containers: ContainerCalls,
  verb: string,
  member: string,
  signal: AbortSignal,
): Promise<EngineContainer> {
  const name = containerName(member);
  const found = await containers.inspect(name, signal);
  if (found === undefined)
    throw new LeafwardError('not-found', `${verb} container ${name}: there is none; create it`);
  if (isOurs(found, member)) return found;
  const text = `${verb} container ${name}: Leafward did not make it; rename or remove it by hand`;
  throw new LeafwardError('refused', text);
}

/** All that carry the member's label: somebody may have renamed one, and it still holds the storage (I9). */
async function stopMember(
  containers: ContainerCalls,
  member: string,
  graceMs: number,
  signal: AbortSignal,
): Promise<void> {
  for (const id of await containers.ids(signal, member))
    await stopOne(containers, id, graceMs, signal);
}

async function stopOne(
  containers: ContainerCalls,
  idOrName: string,
  graceMs: number,
  signal: AbortSignal,
): Promise<void> {
  await orUndefined(containers.stop(idOrName, graceMs, signal));
  const after = await containers.inspect(idOrName, signal);
  if (after === undefined || !after.State.Running) return;
  const text = `stop container ${after.Name}: it still runs (${after.State.Status}) though the Engine says it was stopped`;
  throw new LeafwardError('failed', `${text}; look at it with docker inspect`, { retry: 'later' });
}

async function removeMember(
  containers: ContainerCalls,
  member: string,
  signal: AbortSignal,
): Promise<void> {
  const name = containerName(member);
  if ((await containers.inspect(name, signal)) === undefined) return;
  const found = await requireOurs(containers, 'remove', member, signal);
  if (found.State.Running)
    throw new LeafwardError('refused', `remove container ${name}: it runs; stop it first`);
  // What a drill wrote beside its copy is nobody's.
  const volumes = found.Config.Labels?.[LABEL_DRILL] !== undefined;
  await orUndefined(containers.remove(found.Id, { volumes }, signal));
}

/** Members first: a member's own container is found before its commands. */
async function listContainers(
  containers: ContainerCalls,
  oneOffs: OneOffs,
  signal: AbortSignal,
): Promise<readonly ForeignContainer[]> {
  const ids = [...(await containers.ids(signal))];
  const found: ForeignContainer[] = [];
  const commands: ForeignContainer[] = [];
  while (ids.length > 0) {
    const some = ids.splice(0, LIST_AT_ONCE).map((id) => containers.inspect(id, signal));
    for (const container of await Promise.all(some)) {
      if (container === undefined) continue; // removed meanwhile
      if (!isOneOff(container)) found.push(foreignContainer(container));
      else commands.push(...[await oneOffs.listed(container, signal)].filter(isDefined));
    }
  }
  return [...found, ...commands];
}

function isDefined<T>(value: T | undefined): value is T {
  return value !== undefined;
}
