// From a service as written to a service as meant: defaults filled in, units turned into numbers, templates
// resolved. Pure; what cannot be resolved is told as a problem.
import type { ExecEngine, Limits, Mount } from '../gen/domain.js';
import { completeBackup } from './complete-backup.js';
import { completeHooks } from './complete-hooks.js';
import {
  afterOf,
  completeProvision,
  provisionedOptions,
  provisionedUrl,
} from './complete-provision.js';
import { defaultsOf, isBuiltIn } from './kinds.js';
import type { Path } from './locate.js';
import { loggingEnvironment } from './logging.js';
import { completeMigrate020 } from './migrate-020.js';
import type { MemberText, ServiceText } from './schema.js';
import { splitEnvironment } from './split-environment.js';
import { fillTemplate, type TemplateValues } from './templates.js';
import type { MemberDeclaration, ServiceDeclaration } from './types.js';
import { parseDuration, parseSize } from './units.js';

export type Tell = (path: Path, message: string) => void;

/** Addresses by host name; a host without one is undefined. */
export type Addresses = Readonly<Record<string, string | undefined>>;

const MINUTE_MS = 60_000;
/** A controller decides within a second or two; a busy one, or one that is just being restarted, within this. */
const RESTART_AFTER_MS = 15_000;

const isAutomatic = (text: ServiceText): boolean => text.failover?.mode === 'automatic';

export function completeService(
  name: string,
  text: ServiceText,
  { addresses, exec }: { readonly addresses: Addresses; readonly exec: ExecEngine | undefined },
  tell: Tell,
): ServiceDeclaration {
  const defaults = defaultsOf(text.kind);
  const provision = completeProvision(text);
  const ms = (value: string | undefined, fallback: number): number =>
    value === undefined ? fallback : (parseDuration(value) ?? fallback);
  return {
    name,
    kind: text.kind,
    shape: defaults.shape,
    exec,
    runtime: text.runtime ?? 'docker',
    image: text.image,
    storageTarget: text.storageTarget ?? defaults.storageTarget,
    networkMode: text.networkMode ?? defaults.networkMode,
    limits: completeLimits(text),
    stopGraceMs: ms(text.stopGrace, 2 * MINUTE_MS),
    boot: text.boot ?? 'wait',
    backup: completeBackup(text.backup),
    update: {
      strategy:
        text.update?.strategy ?? (defaults.shape === 'stack' ? 'whole-stack' : 'leafs-first'),
      requireBackup: text.update?.requireBackup ?? true,
      readyTimeoutMs: ms(text.update?.readyTimeout, 5 * MINUTE_MS),
      catchUpTimeoutMs: ms(text.update?.catchUpTimeout, 15 * MINUTE_MS),
      migrationTimeoutMs: ms(text.update?.migrationTimeout, 360 * MINUTE_MS),
      ...(text.update?.exceptions === undefined ? {} : { exceptions: text.update.exceptions }),
    },
    failover: {
      mode: text.failover?.mode ?? 'manual',
      ...(isAutomatic(text)
        ? { restartAfterMs: ms(text.failover?.restartAfter, RESTART_AFTER_MS) }
        : {}),
      isolation: {
        onIsolation: text.failover?.onIsolation ?? 'keep',
        leaseMs: ms(text.failover?.lease, 30_000),
        // Left out as long as nothing is said, so that an order of before is no other order.
        ...said('stopGraceMs', text.failover?.stopGrace),
        ...said('renewMs', text.failover?.renew),
        ...said('clockMarginMs', text.failover?.clockMargin),
      },
    },
    ...said('compareEveryMs', text.compareEvery),
    ...(provision === undefined ? {} : { provision }),
    ...(text.migrate020 === undefined ? {} : { migrate020: completeMigrate020(text.migrate020) }),
    after: afterOf(text),
    members: Object.entries(text.members).map(([member, own]) =>
      completeMember({ service: name, text, member, own, addresses, tell }),
    ),
  };
}

function said<K extends string>(key: K, text: string | undefined): { readonly [P in K]?: number } {
  const value = text === undefined ? undefined : parseDuration(text);
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: number };
}

function completeLimits(text: ServiceText): Limits {
  const memory = text.limits?.memory;
  return {
    memoryBytes: memory === undefined ? undefined : parseSize(memory),
    openFiles: text.limits?.openFiles,
  };
}

interface MemberInput {
  readonly service: string;
  readonly text: ServiceText;
  readonly member: string;
  readonly own: MemberText;
  readonly addresses: Addresses;
  readonly tell: Tell;
}

function completeMember(input: MemberInput): MemberDeclaration {
  const { service, text, member, own, tell } = input;
  const at: Path = ['services', service, 'members', member];
  // A value that a member inherits is complained about where it is written.
  const from = (key: keyof MemberText & keyof ServiceText): Path =>
    own[key] === undefined ? ['services', service, key] : [...at, key];
  const defaults = defaultsOf(text.kind);
  const isProcess = text.runtime === 'process';
  const ports = { ...text.ports, ...own.ports };
  const values = valuesOf(input, ports);
  const fill = (path: Path, value: string, templates: TemplateValues = { values }): string =>
    fillTemplate(value, templates, (problem) => tell(path, problem));

  const wanted = own.storage ?? text.storage ?? defaults.storage;
  const storage = withoutTail(fill(from('storage'), wanted));
  const onHost: TemplateValues = { values: { ...values, storage } };
  // What the program itself reads: in a container the storage is at its target; for a plain process the agent
  // fills in the image's stored copy.
  const target = text.storageTarget ?? defaults.storageTarget;
  const inside: TemplateValues = {
    values: { ...values, storage: isProcess ? storage : target },
    kept: isProcess ? ['image', 'storage'] : [],
  };
  const { plain, secret } = splitEnvironment({
    ...loggingEnvironment(
      text.kind,
      { service: text, own },
      { service: ['services', service], own: at },
      tell,
    ),
    ...text.environment,
    ...own.environment,
  });
  const url = fill(
    from('upstreamUrl'),
    own.upstreamUrl ?? text.upstreamUrl ?? provisionedUrl(text) ?? usualUrl(text, ports),
    onHost,
  );
  const backupDirectory = own.backupDirectory ?? text.backup?.directory;
  const backupPath = own.backupDirectory === undefined ? ['services', service, 'backup'] : at;
  const { hooks, hookMounts } = completeHooks({ ...text.hooks, ...own.hooks });
  return {
    name: member,
    host: own.host,
    upstream: own.upstream,
    storage,
    environment: Object.fromEntries(
      plain.map(([key, value]) => [
        key,
        fill([...from('environment'), key], value, { values: inside.values }),
      ]),
    ),
    secretEnvironment: secret.length === 0 ? undefined : Object.fromEntries(secret),
    mounts: [
      ...mountsOf(input, (at, source) => fill([...from('mounts'), ...at], source, onHost)),
      ...hookMounts,
    ],
    ports,
    command: (own.command ?? text.command ?? []).map((word, index) =>
      fill([...from('command'), index], word, inside),
    ),
    user: own.user ?? text.user ?? (isProcess ? undefined : defaults.user),
    url,
    ...(isAutomatic(text) ? { probeUrl: probeUrlOf(service, text, url, onHost, fill) } : {}),
    engineOptions: optionsOf(input, (key, value) => fill([...from('engine'), key], value, onHost)),
    backupDirectory:
      backupDirectory === undefined
        ? undefined
        : fill([...backupPath, 'directory'], backupDirectory, onHost),
    ...(own.container === undefined ? {} : { container: own.container }),
    ...(hooks === undefined ? {} : { hooks }),
  };
}

/** What its templates may name. */
function valuesOf(
  { service, member, own, addresses }: MemberInput,
  ports: Readonly<Record<string, number>>,
): Readonly<Record<string, string | undefined>> {
  const numbers = Object.entries(ports).map(([port, number]) => [`port.${port}`, String(number)]);
  return {
    service,
    member,
    host: own.host,
    address: addresses[own.host],
    ...(Object.fromEntries(numbers) as Readonly<Record<string, string>>),
  };
}

const mountsOf = (
  { text, own }: MemberInput,
  fillSource: (at: Path, source: string) => string,
): readonly Mount[] =>
  (own.mounts ?? text.mounts ?? []).map((mount, index) => ({
    source: fillSource([index, 'source'], mount.source),
    target: mount.target,
    readOnly: mount.readOnly ?? false,
  }));

function optionsOf(
  { text, own }: MemberInput,
  fillOption: (key: string, value: string) => string,
): Readonly<Record<string, string>> {
  const all = Object.entries({ ...provisionedOptions(text), ...text.engine, ...own.engine });
  // Only a URL must be complete.
  return Object.fromEntries(
    all.map(([key, value]) => [key, key.endsWith('Alias') ? fillOption(key, value) : value]),
  );
}

type Fill = (path: Path, value: string, templates: TemplateValues) => string;

function probeUrlOf(
  service: string,
  { failover }: ServiceText,
  url: string,
  templates: TemplateValues,
  fill: Fill,
): string {
  const probe = failover?.probe;
  return probe === undefined
    ? url
    : fill(['services', service, 'failover', 'probe'], probe, templates);
}

/** A kind that the manifest describes, with one port and mirrors: nothing else can be meant. */
function usualUrl(text: ServiceText, ports: Readonly<Record<string, number>>): string {
  const [port, ...more] = Object.keys(ports);
  const isMeant = !isBuiltIn(text.kind) && Object.keys(text.members).length > 1;
  return isMeant && port !== undefined && more.length === 0 ? `tcp://{address}:{port.${port}}` : '';
}

const withoutTail = (path: string): string => path.replace(/(?<=.)\/+$/, '');
