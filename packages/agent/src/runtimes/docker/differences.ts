// What a container that Leafward did not make is, against what would be made of a spec. Pure. Tells the names of
// variables and never their values (I14).
import type { FieldChange, MemberSpec } from '@leafward/shared/gen/domain.js';
import type { EngineContainer } from './container-fact.js';
import { publishedPorts } from './published-ports.js';

/** What its image gives a container that says nothing itself. */
export interface ImageDefaults {
  readonly environment: readonly string[];
  readonly command: readonly string[];
  readonly user: string;
}

export interface Compared {
  readonly container: EngineContainer;
  /** Digest of what it runs. */
  readonly digest: string;
  readonly image: ImageDefaults;
  readonly spec: MemberSpec;
}

/** Sorted by path; empty: the same would be made, but for its log's options and its init process. */
export function differencesOf(compared: Compared): readonly FieldChange[] {
  const { container, digest, image, spec } = compared;
  const { HostConfig: host, Config: config } = container;
  const command = spec.command.length > 0 ? spec.command : image.command;
  const openFiles = host.Ulimits?.find(({ Name }) => Name === 'nofile')?.Soft;
  const pairs: readonly (readonly [string, string, string])[] = [
    ['image', shown(config.Image ?? '', digest), shown(spec.image.reference, spec.image.digest)],
    ['user', userId(config.User ?? image.user), userId(spec.user ?? image.user)],
    ['command', commandOf(config.Cmd ?? [], command), command.join(' ')],
    ['networkMode', bridged(host.NetworkMode), bridged(spec.networkMode)],
    ['limits.memoryBytes', text(host.Memory), text(spec.limits.memoryBytes)],
    ['limits.openFiles', text(openFiles), text(spec.limits.openFiles)],
    ['hooks', '', spec.hooks === undefined ? '' : 'written by its agent'],
    ...mountPairs(compared),
    ...portPairs(compared),
  ];
  const isSame = ([path, before, after]: readonly [string, string, string]): boolean =>
    path === 'image' ? digest === spec.image.digest : before === after;
  return [
    ...pairs
      .filter((pair) => !isSame(pair))
      .map(([path, before, after]) => ({ path, before, after })),
    ...environmentChanges(compared),
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
}

const shown = (reference: string, digest: string): string =>
  `${reference} (${digest.slice(0, 'sha256:'.length + 12)})`;

const text = (value: number | null | undefined): string =>
  value === undefined || value === null || value === 0 ? '' : String(value);

/** Words that nobody wrote into a manifest may hold a password (I14). */
const commandOf = (own: readonly string[], wanted: readonly string[]): string =>
  own.join(' ') === wanted.join(' ') ? own.join(' ') : 'its own';

/** Nobody, and root by name, are 0. */
const userId = (user: string): string =>
  ['', 'root', '0:0', 'root:root'].includes(user) ? '0' : user;

/** Two names of one network. */
const bridged = (mode: string): string => (mode === 'default' ? 'bridge' : mode);

function mountPairs({ container, spec }: Compared): (readonly [string, string, string])[] {
  const wanted = [
    { source: spec.storage, target: spec.storageTarget, readOnly: false },
    ...spec.mounts,
  ];
  const word = (source: string, readOnly: boolean): string =>
    readOnly ? `${source} (read-only)` : source;
  const before = new Map(
    (container.Mounts ?? []).map((mount) => [
      mount.Destination ?? '',
      word(mount.Source, !mount.RW),
    ]),
  );
  const after = new Map(
    wanted.map(({ source, target, readOnly }) => [target, word(source, readOnly)]),
  );
  return inEither(before, after, (target) => `mounts.${target}`);
}

function portPairs({ container, spec }: Compared): (readonly [string, string, string])[] {
  const bound = Object.entries(container.HostConfig.PortBindings ?? {});
  const before = new Map(
    bound.map(([inside, hosts]) => [inside, (hosts ?? []).map(({ HostPort }) => HostPort).join()]),
  );
  const after = new Map(
    publishedPorts(spec).map((port) => [`${port.containerPort}/tcp`, String(port.hostPort)]),
  );
  return inEither(before, after, (inside) => `ports.${inside}`);
}

function inEither(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
  path: (key: string) => string,
): (readonly [string, string, string])[] {
  const keys = [...new Set([...before.keys(), ...after.keys()])];
  return keys.map((key) => [path(key), before.get(key) ?? '', after.get(key) ?? ''] as const);
}

function environmentChanges({ container, image, spec }: Compared): readonly FieldChange[] {
  const own = new Map((container.Config.Env ?? []).map(variableOf));
  for (const [name, value] of image.environment.map(variableOf))
    if (own.get(name) === value && !Object.hasOwn(spec.environment, name)) own.delete(name);
  const secrets = Object.keys(spec.secretEnvironment?.variables ?? {});
  const names = new Set([...own.keys(), ...Object.keys(spec.environment), ...secrets]);
  return [...names].flatMap((name): readonly FieldChange[] => {
    const before = own.get(name);
    // What a secret says is known to nobody here but the container.
    const isSecret = secrets.includes(name);
    const after = Object.hasOwn(spec.environment, name) ? spec.environment[name] : undefined;
    if (isSecret ? before !== undefined : before === after) return [];
    const to = isSecret || after !== undefined ? (before === undefined ? 'set' : 'set anew') : '';
    return [
      {
        path: `environment.${name}`,
        before: before === undefined ? 'not set' : 'set',
        after: to === '' ? 'not set' : to,
      },
    ];
  });
}

function variableOf(line: string): readonly [string, string] {
  const at = line.indexOf('=');
  return at === -1 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
}
