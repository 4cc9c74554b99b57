// What differs between two specs, as an operator would say it. Pure. Must never show an environment variable's
// value (I14): names only, of secrets with their versions.
import type {
  ExecEngine,
  FieldChange,
  MemberSpec,
  SecretReference,
} from '@leafward/shared/gen/domain.js';
import type { ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import { canonicalJson } from '@leafward/shared/spec-digest.js';
import { shortDigest } from './words.js';

/** Empty when the same container would be made: of the image only the digest counts. */
export function changesBetween(before: MemberSpec, after: MemberSpec): readonly FieldChange[] {
  const image: FieldChange[] =
    before.image.digest === after.image.digest
      ? []
      : [{ path: 'image', before: shown(before), after: shown(after) }];
  const fields = [
    ...fieldChanges(flatOf(before), flatOf(after)),
    ...environmentChanges(before, after),
    ...hookChanges(before, after),
  ];
  return [...image, ...fields.sort((a, b) => (a.path < b.path ? -1 : 1))];
}

const shown = ({ image }: MemberSpec): string =>
  `${image.reference} (${shortDigest(image.digest)})`;

function flatOf(spec: MemberSpec): ReadonlyMap<string, string> {
  const { image: _, environment: __, secretEnvironment: ___, hooks: ____, ...rest } = spec;
  return flatten(rest);
}

/** Policies of a service that no container knows: a change of them only has to be made known. */
export function policyChanges(
  before: ServiceDeclaration,
  after: ServiceDeclaration,
): readonly FieldChange[] {
  const policies = (declaration: ServiceDeclaration) => ({
    backup: declaration.backup,
    update: declaration.update,
    failoverMode: declaration.failover.mode,
    after: declaration.after,
    lag: declaration.lag,
    urls: Object.fromEntries(declaration.members.map((member) => [member.name, member.url])),
    probes: Object.fromEntries(declaration.members.map((member) => [member.name, member.probeUrl])),
  });
  return fieldChanges(flatten(policies(before)), flatten(policies(after)));
}

/**
 * What differs between two descriptions of a kind, by name (commands, how positions are written, migrations):
 * 'position, role; new: version'. Empty: nothing does.
 */
export function kindChanges(before: ExecEngine | undefined, after: ExecEngine | undefined): string {
  const parts = (exec: ExecEngine | undefined): Readonly<Record<string, unknown>> => {
    const { commands = {}, ...rest } = exec ?? {};
    return { ...rest, ...commands };
  };
  const [old, next] = [parts(before), parts(after)];
  const names = [...new Set([...Object.keys(old), ...Object.keys(next)])].sort();
  const listed = (what: string, test: (was: unknown, is: unknown) => boolean): string => {
    const found = names.filter((name) => test(old[name], next[name]));
    return found.length === 0 ? '' : `${what}${found.join(', ')}`;
  };
  return [
    listed('', (was, is) => was !== undefined && is !== undefined && !isEqual(was, is)),
    listed('new: ', (was) => was === undefined),
    listed('gone: ', (_, is) => is === undefined),
  ]
    .filter((part) => part !== '')
    .join('; ');
}

const isEqual = (one: unknown, other: unknown): boolean =>
  canonicalJson(one) === canonicalJson(other);

function fieldChanges(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly FieldChange[] {
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => ({ path, before: before.get(path) ?? '', after: after.get(path) ?? '' }));
}

function environmentChanges(before: MemberSpec, after: MemberSpec): readonly FieldChange[] {
  const names = new Set([before, after].flatMap(variablesOf));
  return [...names].flatMap((name) => {
    const [old, next] = [valueAt(before, name), valueAt(after, name)];
    if (canonicalJson(old) === canonicalJson(next)) return [];
    return [{ path: `environment.${name}`, before: said(old), after: said(next, old) }];
  });
}

/** A script is too long to be shown, and may hold what nobody should read. */
function hookChanges(before: MemberSpec, after: MemberSpec): readonly FieldChange[] {
  return (['preboot', 'concurrent'] as const).flatMap((name) => {
    const [old, next] = [before.hooks?.[name] ?? null, after.hooks?.[name] ?? null];
    if (old === next) return [];
    return [{ path: `hooks.${name}`, before: said(old), after: said(next, old) }];
  });
}

const variablesOf = ({ environment, secretEnvironment }: MemberSpec): readonly string[] => [
  ...Object.keys(environment),
  ...Object.keys(secretEnvironment?.variables ?? {}),
];

/** Null: not set. */
function valueAt(
  { environment, secretEnvironment }: MemberSpec,
  name: string,
): string | SecretReference | null {
  const secrets = secretEnvironment?.variables ?? {};
  if (Object.hasOwn(secrets, name)) return secrets[name] ?? null;
  return Object.hasOwn(environment, name) ? (environment[name] ?? null) : null;
}

function said(
  value: string | SecretReference | null,
  old: string | SecretReference | null = null,
): string {
  if (value === null) return 'not set';
  if (typeof value === 'string') return old === null ? 'set' : 'set anew';
  const isSameSecret = old !== null && typeof old !== 'string' && old.name === value.name;
  return isSameSecret
    ? `version ${value.version}`
    : `secret ${value.name} version ${value.version}`;
}

function flatten(value: unknown, path = ''): ReadonlyMap<string, string> {
  const flat = new Map<string, string>();
  if (value === undefined || value === null) return flat;
  if (Array.isArray(value) && value.every((inner) => typeof inner === 'string'))
    return value.length === 0 ? flat : new Map([[path, value.join(' ')]]);
  if (typeof value !== 'object')
    return new Map([[path, typeof value === 'string' ? value : JSON.stringify(value)]]);
  for (const [key, inner] of Object.entries(value))
    for (const [at, text] of flatten(inner, path === '' ? key : `${path}.${key}`))
      flat.set(at, text);
  return flat;
}
