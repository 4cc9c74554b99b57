// Members as containers of the Docker Engine on this host. The Engine keeps them running while the agent is
// away, and restarts none by itself (I2): what starts a member is only ever the agent. Must never touch
// storage, and never start or remove a container that Leafward neither made nor took over, nor stop one but on a
// retired storage.
import type { AdoptionFact, ContainerFact, ContainerLook } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { ContainerSpec, ForeignContainer, Runtime } from '../runtime.js';
import {
  findOwnBy,
  isAdoptable,
  isOwn,
  withAdopted,
  type Adopted,
  type FindOwn,
} from './adoption.js';
import { containerName, LABEL_DRILL, LABEL_SPEC } from './container-config.js';
import { containerCalls, orUndefined, type ContainerCalls } from './containers.js';
import { containerFact, foreignContainer, isOurs, type EngineContainer } from './container-fact.js';
import { engineDeadlines, type EngineDeadlines } from './deadlines.js';
import { connectEngine } from './engine-client.js';
import { watchEngine } from './engine-events.js';
import { differencesOf } from './differences.js';
import { engineImages, type EngineImages } from './engine-images.js';
import { tailOf } from './engine-logs.js';
import { execCommand } from './exec-command.js';
import { createOneOffs, isOneOff, type OneOffs } from './one-off.js';
import { oneOffCalls } from './one-off-calls.js';

export interface DockerRuntimeOptions {
  /** Usually /var/run/docker.sock. */
  readonly socketPath: string;
  readonly log: Logger;
  /** Containers that the orders of this host take over. Default: none. */
  readonly adoptions?: (() => readonly Adopted[]) | undefined;
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
  const { adoptions = () => [] } = options;
  const find = findOwnBy(containers, adoptions);
  const oneOffs = createOneOffs(containers, oneOffCalls(client, deadlines));
  return {
    name: 'docker',
    inspect: (member, signal) => inspectMember(find, member, signal),
    resolve: images.resolve,
    pull: images.pull,
    hasImage: images.hasImage,
    hasImageFor: async (spec, signal) =>
      (await images.hasImage(spec.image, signal)) &&
      (await images.nameFor(spec, signal)) !== undefined,
    buildImageFor: images.buildFor,
    create: async (container, signal) => {
      if (await isThere(containers, container, signal)) return;
      const image = await imageFor(images, container, signal);
      await containers.create(container, image, signal);
      if (container.isolation !== undefined) await requireApart(containers, container, signal);
    },
    start: async (member, signal) => {
      const { Id: id } = await requireOurs(find, 'start', member, signal);
      await containers.start(id, signal);
    },
    stop: (member, graceMs, signal) => stopMember({ containers, find }, member, graceMs, signal),
    stopListed: (name, graceMs, signal) => stopOne(containers, name, graceMs, signal),
    run: async (container, command, signal) => {
      const argv = command.argv.map((word) =>
        word.replaceAll('{image}', container.spec.image.reference),
      );
      const filled = { ...command, argv };
      const own = await find(container.member, signal);
      if (own?.found.State.Running === true && isOwn(own, container.member))
        return execCommand({ client, deadlines }, { id: own.found.Id, container }, filled, signal);
      const image = await imageFor(images, container, signal);
      return oneOffs.run(container, image, filled, signal);
    },
    remove: (member, signal) => removeMember({ containers, find }, member, signal),
    tail: async (member, { sinceMs, maxLines }, signal) => {
      const container = (await find(member, signal))?.found.Id ?? containerName(member);
      return tailOf(client, deadlines, { container, sinceMs, maxLines, signal });
    },
    list: async (signal) =>
      withAdopted(await listContainers(containers, oneOffs, signal), adoptions()),
    lookAt: (name, container, signal) => lookAt({ containers, images }, name, container, signal),
    adoptionOf: (container, signal) => adoptionOf({ find, images }, container, signal),
    whyNoIsolation: () => Promise.resolve(undefined), // every Engine has the network `none`
    setRestartPolicyNo: (container, signal) => containers.setRestartPolicyNo(container, signal),
    watch: (onChange, signal) => {
      // Never rejects: it ends with the signal.
      void watchEngine({ client, deadlines, log: options.log, onChange, signal });
    },
  };
}

/** Built by now, but for a drill or a command before a member's first start. */
async function imageFor(
  images: EngineImages,
  { spec, member }: ContainerSpec,
  signal: AbortSignal,
): Promise<string> {
  await images.buildFor(spec, signal);
  const name = await images.nameFor(spec, signal);
  if (name !== undefined) return name;
  const text = `make a container of ${member}: the Engine built its image and has lost it`;
  throw new LeafwardError('failed', `${text}; it is tried again`, { retry: 'later' });
}

async function inspectMember(
  find: FindOwn,
  member: string,
  signal: AbortSignal,
): Promise<ContainerFact> {
  try {
    const own = await find(member, signal);
    if (own === undefined) return { state: 'absent' };
    return containerFact(own.found, member, own.adopted?.specDigest);
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
  find: FindOwn,
  verb: string,
  member: string,
  signal: AbortSignal,
): Promise<EngineContainer> {
  const name = containerName(member);
  const own = await find(member, signal);
  if (own === undefined)
    throw new LeafwardError('not-found', `${verb} container ${name}: there is none; create it`);
  if (isOwn(own, member)) return own.found;
  const text = `${verb} container ${name}: Leafward did not make it; rename or remove it by hand`;
  throw new LeafwardError('refused', text);
}

interface Members {
  readonly containers: ContainerCalls;
  readonly find: FindOwn;
}

/** All that carry the member's label: somebody may have renamed one, and it still holds the storage (I9). */
async function stopMember(
  { containers, find }: Members,
  member: string,
  graceMs: number,
  signal: AbortSignal,
): Promise<void> {
  const own = await find(member, signal);
  const adopted = own?.adopted === undefined ? [] : [own.found.Id];
  for (const id of [...(await containers.ids(signal, member)), ...adopted])
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
  { containers, find }: Members,
  member: string,
  signal: AbortSignal,
): Promise<void> {
  if ((await find(member, signal)) === undefined) return;
  const found = await requireOurs(find, 'remove', member, signal);
  if (found.State.Running)
    throw new LeafwardError(
      'refused',
      `remove container ${found.Name.replace(/^\//, '')}: it runs; stop it first`,
    );
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

/** What it is; what its service says of itself is not known here. */
async function lookAt(
  { containers, images }: { readonly containers: ContainerCalls; readonly images: EngineImages },
  name: string,
  { spec }: ContainerSpec,
  signal: AbortSignal,
): Promise<ContainerLook> {
  const found = await containers.inspect(name, signal);
  if (found === undefined) {
    const image = { reference: '', digest: '' };
    const absent = { container: name, state: 'absent', image, restartPolicy: '' } as const;
    return { ...absent, holdsStorage: false, differences: [] };
  }
  const { image, differences } = await compare(found, spec, images, signal);
  const { state, startedAt, restartPolicy = 'no' } = containerFact(found, '', '');
  const holdsStorage = isAdoptable(found, spec.storage) && isAtTarget(found, spec);
  return { container: name, state, startedAt, image, restartPolicy, holdsStorage, differences };
}

const isAtTarget = (
  { Mounts }: EngineContainer,
  { storage, storageTarget }: ContainerSpec['spec'],
) =>
  (Mounts ?? []).some((mount) => mount.Source === storage && mount.Destination === storageTarget);

async function adoptionOf(
  { find, images }: { readonly find: FindOwn; readonly images: EngineImages },
  { member, spec }: ContainerSpec,
  signal: AbortSignal,
): Promise<AdoptionFact | undefined> {
  const own = await find(member, signal);
  if (own?.adopted === undefined) return undefined;
  const { differences } = await compare(own.found, spec, images, signal);
  return { container: own.adopted.container, differences };
}

async function compare(
  container: EngineContainer,
  spec: ContainerSpec['spec'],
  images: EngineImages,
  signal: AbortSignal,
) {
  const { Image: id = '', Config: config } = container;
  const { image, defaults } = await images.ofContainer(id, config.Image ?? '', signal);
  const compared = { container, digest: image.digest, image: defaults, spec };
  return { image, differences: differencesOf(compared) };
}
