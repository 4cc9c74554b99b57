// From the text of fleet.yaml to a complete, checked manifest, or to all its problems at once. Must never read
// a file or throw.
import { LineCounter, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { COMMANDS } from './abilities.js';
import { checkKindOf } from './check-kind-of.js';
import { checkServices } from './check.js';
import { completeKinds } from './complete-kind.js';
import { completeService, type Addresses, type Tell } from './complete.js';
import { problemAt, type Path } from './locate.js';
import { hostSchema, manifestSchema, serviceSchema } from './schema.js';
import type { Manifest, ManifestProblem, ServiceDeclaration } from './types.js';

export type ParsedManifest =
  | { readonly ok: true; readonly manifest: Manifest; readonly text: string }
  | { readonly ok: false; readonly problems: readonly ManifestProblem[] };

/** A thousand services fit into this several times; more is a mistake or an attack. */
const MAX_TEXT_BYTES = 4 * 2 ** 20;
/** Uses of anchors: enough for shared settings of a big fleet, far from an alias bomb. */
const MAX_ALIASES = 1000;
/** Flow collections nest by brackets; a parser that recurses must not be sent down a thousand of them. */
const MAX_DEPTH = 100;
const MAX_PROBLEMS = 200;

export function parseManifest(text: string): ParsedManifest {
  if (new TextEncoder().encode(text).length > MAX_TEXT_BYTES)
    return refuse([
      { path: '', message: `a manifest has at most ${MAX_TEXT_BYTES / 2 ** 20} MiB` },
    ]);
  if (isTooDeep(text))
    return refuse([{ path: '', message: `a manifest nests at most ${MAX_DEPTH} brackets` }]);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  if (document.errors.length > 0)
    return refuse(
      document.errors.map((error) => {
        const { line, col } = lines.linePos(error.pos[0]);
        return { path: '', message: error.message, line, column: col };
      }),
    );
  const raw = valueOf(document);
  if (!raw.ok) return refuse([{ path: '', message: raw.message }]);
  return check(text, raw.value, document, lines);
}

const refuse = (problems: readonly ManifestProblem[]): ParsedManifest => ({
  ok: false,
  problems: problems.slice(0, MAX_PROBLEMS),
});

function isTooDeep(text: string): boolean {
  let depth = 0;
  for (const character of text) {
    if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth = Math.max(0, depth - 1);
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

function valueOf(
  document: Document.Parsed,
):
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly message: string } {
  try {
    return { ok: true, value: document.toJS({ maxAliasCount: MAX_ALIASES }) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ok: false, message: `the YAML cannot be used: ${why}` };
  }
}

function check(
  text: string,
  raw: unknown,
  document: Document.Parsed,
  lines: LineCounter,
): ParsedManifest {
  const problems: ManifestProblem[] = [];
  const tell: Tell = (path, message) =>
    void problems.push(problemAt(document, lines, path, message));
  if (raw === null || raw === undefined) {
    tell([], 'the manifest is empty: it needs fleet, hosts and services');
    return refuse(problems);
  }
  const shape = manifestSchema.safeParse(raw);
  if (!shape.success) tellIssues(shape.error.issues, tell);
  const { services, addresses, names } = completeServices(raw, tell);
  checkServices(services, { hosts: Object.keys(addresses), services: names }, tell);
  if (!shape.success || problems.length > 0) return refuse(sorted(withoutTwins(problems)));
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
    return [complete];
  });
  return { services, addresses, names: Object.keys(texts) };
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

function tellIssues(issues: readonly z.core.$ZodIssue[], tell: Tell): void {
  for (const issue of issues) {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part)) as Path;
    if (issue.code === 'unrecognized_keys')
      for (const key of issue.keys) tell([...path, key], unknownKey(path));
    else if (issue.code === 'invalid_key')
      tell(path, issue.issues[0]?.message ?? 'this name cannot be used');
    else if (issue.code === 'invalid_type' && issue.input === undefined)
      tell(path, isMissing(issue) ? 'this is needed and missing' : issue.message);
    else tell(path, issue.message);
  }
}

const unknownKey = ([section, , part, ...deeper]: Path): string =>
  section === 'kinds' && part === 'commands' && deeper.length === 0
    ? `there is no command of this name; commands are ${COMMANDS.join(', ')}`
    : 'this key is not known; look for a slip of the pen';

const isMissing = (issue: z.core.$ZodIssue): boolean => issue.message.includes('undefined');

function withoutTwins(problems: readonly ManifestProblem[]): readonly ManifestProblem[] {
  const seen = new Set<string>();
  return problems.filter((problem) => {
    const key = `${problem.path}\n${problem.message}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

const sorted = (problems: readonly ManifestProblem[]): readonly ManifestProblem[] =>
  [...problems].sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
