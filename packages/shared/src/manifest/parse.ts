// From the text of fleet.yaml to a complete, checked manifest, or to all its problems at once. Must never read
// a file or throw.
import type { z } from 'zod';
import type { Place } from './check-backups.js';
import { checkKindOf } from './check-kind-of.js';
import { checkServices } from './check.js';
import { completeKinds, lagOfKind } from './complete-kind.js';
import { completeService, type Addresses, type Tell } from './complete.js';
import type { Path } from './locate.js';
import { atMost, collectProblems, tellIssues } from './problems.js';
import { readYaml, type ReadYaml } from './read-yaml.js';
import { hostSchema, manifestSchema, serviceSchema } from './schema.js';
import type { Manifest, ManifestProblem, ServiceDeclaration } from './types.js';

export type ParsedManifest =
  | { readonly ok: true; readonly manifest: Manifest; readonly text: string }
  | { readonly ok: false; readonly problems: readonly ManifestProblem[] };

export function parseManifest(text: string): ParsedManifest {
  const read = readYaml(text);
  return read.ok ? check(text, read) : { ok: false, problems: atMost(read.problems) };
}

function check(
  text: string,
  { value: raw, document, lines }: ReadYaml & { readonly ok: true },
): ParsedManifest {
  const { tell, told } = collectProblems(document, lines);
  if (raw === null || raw === undefined) {
    tell([], 'the manifest is empty: it needs fleet, hosts and services');
    return { ok: false, problems: told() };
  }
  const shape = manifestSchema.safeParse(raw);
  if (!shape.success) tellIssues(shape.error.issues, tell);
  const { services, addresses, names } = completeServices(raw, tell);
  const backupPathOf = pathsOfBackups(inner(raw, 'services'));
  checkServices(services, { hosts: Object.keys(addresses), services: names, backupPathOf }, tell);
  const problems = told();
  if (!shape.success || problems.length > 0) return { ok: false, problems };
  const hosts = Object.entries(shape.data.hosts).map(([name, host]) => ({
    name,
    address: host?.address,
  }));
  return { ok: true, text, manifest: { fleet: shape.data.fleet, hosts, services } };
}

/**
 * What is wrong in shape is told by its own problem; the rest of the service is completed and checked without
 * it, so that one slip does not hide the others.
 */
function completeServices(
  raw: unknown,
  tell: Tell,
): {
  readonly services: readonly ServiceDeclaration[];
  readonly addresses: Addresses;
  readonly names: readonly string[];
} {
  const hosts = Object.entries(recordIn(raw, 'hosts'));
  const addresses = Object.fromEntries(
    hosts.map(([name, host]) => {
      const parsed = hostSchema.safeParse(host);
      return [name, parsed.success ? parsed.data?.address : undefined];
    }),
  );
  const kinds = completeKinds(inner(raw, 'kinds'), tell);
  const texts = recordIn(raw, 'services');
  const services = Object.entries(texts).flatMap(([name, service]) => {
    const parsed = serviceSchema.safeParse(service);
    const usable = parsed.success
      ? parsed
      : serviceSchema.safeParse(without(service, parsed.error));
    if (!usable.success) return [];
    const exec = Object.hasOwn(kinds, usable.data.kind) ? kinds[usable.data.kind] : undefined;
    const complete = completeService(name, usable.data, { addresses, exec }, tell);
    checkKindOf(complete, usable.data, Object.keys(kinds), tell);
    const lag = exec && lagOfKind(inner(raw, 'kinds'), usable.data.kind);
    return [lag === undefined ? complete : { ...complete, lag }];
  });
  return { services, addresses, names: Object.keys(texts) };
}

function pathsOfBackups(services: unknown): (place: Place) => Path {
  return ({ service, member }) => {
    const own = inner(inner(inner(services, service.name), 'members'), member.name);
    const at = ['services', service.name];
    return inner(own, 'backupDirectory') === undefined
      ? [...at, 'backup', 'directory']
      : [...at, 'members', member.name, 'backupDirectory'];
  };
}

function without(service: unknown, error: z.ZodError): unknown {
  const copy: unknown = structuredClone(service);
  for (const issue of error.issues) {
    const paths =
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => [...issue.path, key])
        : [issue.path];
    for (const path of paths) {
      const holder = path.slice(0, -1).reduce<unknown>(inner, copy);
      const last = path.at(-1);
      if (typeof holder === 'object' && holder !== null && last !== undefined)
        Reflect.deleteProperty(holder, last);
    }
  }
  return copy;
}

const inner = (at: unknown, key: PropertyKey): unknown =>
  typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined;

function recordIn(raw: unknown, key: string): Readonly<Record<string, unknown>> {
  if (typeof raw !== 'object' || raw === null) return {};
  const value = (raw as Record<string, unknown>)[key];
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
