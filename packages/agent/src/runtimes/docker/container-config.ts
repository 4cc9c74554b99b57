// A member's spec as the Engine's create call. Pure; the environment's values go in here and nowhere else (I14).
import type { MemberSpec, Mount } from '@leafward/shared/gen/domain.js';
import type { ContainerSpec } from '../runtime.js';
import { publishedPorts, type PublishedPort } from './published-ports.js';

export const LABEL_MEMBER = 'leafward.member';
export const LABEL_SERVICE = 'leafward.service';
export const LABEL_SPEC = 'leafward.spec';
export const LABEL_IMAGE = 'leafward.image';

/** On a copy of a backup that is tried out. */
export const LABEL_DRILL = 'leafward.drill';

/** On the container of a command, which is no member: the member's name, and who waits for it. */
export const LABEL_COMMAND = 'leafward.command';
export const LABEL_OWNER = 'leafward.owner';

/** 5 files of 20 MB: days of a talkative service, and no log ever fills a disk. */
const LOG_OPTIONS = { 'max-size': '20m', 'max-file': '5' };
/** Of 1024: where there is not enough for all, a drill gets a fifth of what a member gets. */
const DRILL_CPU_SHARES = 205;

export function containerName(member: string): string {
  return `leafward-${member}`;
}

/** `image` is what the Engine calls it locally: name@digest or an image id. */
export function containerConfig(container: ContainerSpec, image: string): object {
  const { member, service, spec, specDigest } = container;
  return {
    Image: image,
    User: spec.user ?? '',
    Env: environmentOf(spec),
    ...(spec.command.length > 0 ? { Cmd: spec.command.map((word) => fill(word, container)) } : {}),
    Labels: {
      [LABEL_MEMBER]: member,
      [LABEL_SERVICE]: service,
      [LABEL_SPEC]: specDigest,
      [LABEL_IMAGE]: spec.image.digest,
      ...(container.isolation === undefined ? {} : { [LABEL_DRILL]: 'true' }),
    },
    StopTimeout: Math.ceil(spec.stopGraceMs / 1000),
    ...(container.isolation === undefined ? exposedPorts(spec) : {}),
    HostConfig: hostConfig(container),
  };
}

/**
 * For one command of a member that does not run: the same image, user, environment, mounts, network and limits.
 * Publishes nothing, writes no log, and bears none of the labels by which a member is found.
 */
export function commandConfig(
  container: ContainerSpec,
  image: string,
  command: { readonly argv: readonly string[]; readonly owner: string; readonly mark: string },
): object {
  const { spec, member } = container;
  const [program, ...words] = command.argv;
  return {
    Image: image,
    User: spec.user ?? '',
    Env: [...environmentOf(spec), command.mark],
    // Both: an image's own entry point would start the service.
    Entrypoint: [program],
    Cmd: words,
    WorkingDir: spec.storageTarget,
    Healthcheck: { Test: ['NONE'] },
    Labels: { [LABEL_COMMAND]: member, [LABEL_OWNER]: command.owner },
    HostConfig: {
      ...hostConfig({ ...container, spec: { ...spec, ports: {} } }),
      LogConfig: { Type: 'none' },
      Init: false, // it is ended by force only; and an init would tell of a missing program in its own words
    },
  };
}

function environmentOf(spec: MemberSpec): readonly string[] {
  return Object.entries(spec.environment).map(([key, value]) => `${key}=${value}`);
}

function hostConfig({ spec, isolation }: ContainerSpec): object {
  const isDrill = isolation !== undefined;
  const storage = { source: spec.storage, target: spec.storageTarget, readOnly: false };
  const { memoryBytes, openFiles } = spec.limits;
  return {
    RestartPolicy: { Name: 'no', MaximumRetryCount: 0 }, // I2
    NetworkMode: isDrill ? 'none' : spec.networkMode,
    ...(isDrill ? { CpuShares: DRILL_CPU_SHARES } : {}),
    // `Mounts`, not `Binds`: the Engine then refuses a missing source instead of making root's directory.
    Mounts: [storage, ...spec.mounts].map(bindMount),
    LogConfig: { Type: 'json-file', Config: LOG_OPTIONS },
    // A program that is PID 1 and has no handler yet ignores SIGTERM, so that every stop would be a kill.
    Init: spec.engineOptions.init !== 'false',
    ...(memoryBytes === undefined ? {} : { Memory: memoryBytes, MemorySwap: memoryBytes }),
    ...(openFiles === undefined
      ? {}
      : { Ulimits: [{ Name: 'nofile', Soft: openFiles, Hard: openFiles }] }),
    ...(isDrill ? {} : portBindings(spec)),
  };
}

function bindMount(mount: Mount): object {
  return { Type: 'bind', Source: mount.source, Target: mount.target, ReadOnly: mount.readOnly };
}

const inside = ({ containerPort }: PublishedPort): string => `${containerPort}/tcp`;

function exposedPorts(spec: MemberSpec): object {
  const ports = publishedPorts(spec);
  if (ports.length === 0) return {};
  return { ExposedPorts: Object.fromEntries(ports.map((port) => [inside(port), {}])) };
}

function portBindings(spec: MemberSpec): object {
  const ports = publishedPorts(spec);
  if (ports.length === 0) return {};
  return {
    PortBindings: Object.fromEntries(
      ports.map((port) => [
        inside(port),
        [
          {
            HostPort: String(port.hostPort),
            ...(port.address === undefined ? {} : { HostIp: port.address }),
          },
        ],
      ]),
    ),
  };
}

/** The process runtime's placeholders, as they look from inside the container. */
function fill(word: string, container: ContainerSpec): string {
  return word
    .replaceAll('{member}', container.member)
    .replaceAll('{storage}', container.spec.storageTarget);
}
