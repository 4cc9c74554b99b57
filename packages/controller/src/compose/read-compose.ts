// From the text of a compose file to its services, with every problem and its line. Pure: what lies beside the file is
// given. What Compose would do and this does not is told, never skipped in silence.
import { basename, dirname, join, resolve } from 'node:path';
import { problemAt, type Path } from '@leafward/shared/manifest/locate.js';
import { readYaml, type ReadYaml } from '@leafward/shared/manifest/read-yaml.js';
import type {
  ComposeProblem,
  ComposeService,
  ComposeVariable,
  ReadCompose,
} from './compose-file.js';
import { parseEnvFile } from './env-file.js';
import { interpolate } from './interpolate.js';
import { entriesOf, listOf, type ComposeInput, type Entries, type Reading } from './reading.js';
import { readVolumes } from './read-volumes.js';
import { durationMs, portOf, sizeBytes, splitWords } from './words-of.js';

/** Compose does this with the name of a directory. */
const projectOf = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, '')
    .replace(/^[_-]+/, '');

const FORBIDDEN = ['extends', 'build'];
const KNOWN = new Set([
  ...['image', 'user', 'command', 'environment', 'env_file', 'volumes', 'ports', 'network_mode'],
  ...['networks', 'restart', 'stop_grace_period', 'ulimits', 'mem_limit', 'deploy', 'depends_on'],
  ...['container_name', 'labels', 'logging', 'healthcheck', 'expose', 'hostname', 'init', 'tty'],
  ...['stdin_open', 'pull_policy', 'profiles'],
]);

export function readCompose(input: ComposeInput): ReadCompose {
  const read = readYaml(input.text);
  if (!read.ok)
    return {
      services: [],
      problems: read.problems.map(({ message, line }) => ({ file: input.file, line, message })),
    };
  const problems: ComposeProblem[] = [];
  const reading = readingOf(input, read, problems);
  const services = entriesOf(reading.root['services']);
  if (services === undefined) reading.tell([], 'it has no services: that is no compose file');
  if (reading.root['include'] !== undefined)
    reading.tell(['include'], 'include is not followed: name the included files, too');
  const found = Object.entries(services ?? {}).flatMap(([name, value]) => {
    const entries = entriesOf(value);
    // The guide itself writes `user: synuser` beside its services.
    if (entries !== undefined) return serviceOf(name, entries, reading);
    reading.tell(['services', name], `${name} is no service: it must be a mapping`);
    return [];
  });
  return { services: found, problems };
}

function readingOf(
  input: ComposeInput,
  { value, document, lines }: ReadYaml & { readonly ok: true },
  problems: ComposeProblem[],
): Reading {
  const { file, directory } = input;
  const lineOf = (path: Path): number | undefined => problemAt(document, lines, path, '').line;
  const tell = (path: Path, message: string): void =>
    void problems.push({ file, line: lineOf(path), message });
  const dotEnv = parseEnvFile(input.readFile(join(directory, '.env')) ?? '');
  const variables = { ...dotEnv, ...input.variables };
  const textAt = (found: unknown, path: Path): string | undefined => {
    if (!['string', 'number', 'boolean'].includes(typeof found)) return undefined;
    return interpolate(String(found), variables, (problem) => tell(path, problem));
  };
  const root = entriesOf(value) ?? {};
  const named = textAt(root['name'], ['name']) ?? variables['COMPOSE_PROJECT_NAME'];
  const project = named ?? projectOf(basename(resolve(directory)));
  return { ...input, variables, project, root, tell, lineOf, textAt };
}

function serviceOf(name: string, entries: Entries, reading: Reading): readonly ComposeService[] {
  const { tell, textAt } = reading;
  const at = (...rest: Path): Path => ['services', name, ...rest];
  for (const key of FORBIDDEN)
    if (entries[key] !== undefined)
      tell(at(key), `${key} of ${name} is not followed: write what it means into this file`);
  const image = textAt(entries['image'], at('image'));
  if (image === undefined) {
    if (entries['build'] === undefined) tell(at(), `${name} has no image`);
    return [];
  }
  const optional = (key: string): string | undefined => textAt(entries[key], at(key));
  return [
    {
      file: reading.file,
      line: reading.lineOf(at()),
      name,
      project: reading.project,
      containerName: optional('container_name'),
      image,
      user: optional('user'),
      command: commandOf(entries['command'], at('command'), reading),
      environment: environmentOf(name, entries, reading),
      volumes: readVolumes(name, entries['volumes'], reading),
      ports: portsOf(entries['ports'], at('ports'), reading),
      networkMode: networkOf(entries, at('networks'), reading),
      restart: optional('restart'),
      stopGraceMs: graceOf(entries['stop_grace_period'], at('stop_grace_period'), reading),
      ...limitsOf(entries, at(), reading),
      dependsOn: [
        ...listOf(entries['depends_on']).map(String),
        ...Object.keys(entriesOf(entries['depends_on']) ?? {}),
      ],
      leftOut: Object.keys(entries).filter((key) => !KNOWN.has(key) && !key.startsWith('x-')),
    },
  ];
}

function commandOf(value: unknown, path: Path, { textAt }: Reading): readonly string[] {
  if (Array.isArray(value)) return value.map((word, index) => textAt(word, [...path, index]) ?? '');
  return splitWords(textAt(value, path) ?? '');
}

function environmentOf(
  name: string,
  entries: Entries,
  reading: Reading,
): Readonly<Record<string, ComposeVariable>> {
  const { file, directory, variables, tell, textAt, lineOf } = reading;
  const found: Record<string, ComposeVariable> = {};
  const files = entries['env_file'];
  for (const [index, one] of (Array.isArray(files) ? files : [files]).entries()) {
    const path: Path = ['services', name, 'env_file', ...(Array.isArray(files) ? [index] : [])];
    const long = entriesOf(one);
    const said = textAt(long === undefined ? one : long['path'], path);
    if (said === undefined) continue;
    const from = resolve(directory, said);
    const text = reading.readFile(from);
    if (text === undefined && long?.['required'] !== false)
      tell(path, `the env_file ${from} of ${name} cannot be read`);
    for (const [key, value] of Object.entries(parseEnvFile(text ?? ''))) {
      const given = value ?? variables[key];
      if (given !== undefined) found[key] = { value: given, from: { file: from } };
    }
  }
  const own = entries['environment'];
  const pairs = Array.isArray(own)
    ? own.map((line, index) => [...pairOf(String(line)), index] as const)
    : Object.entries(entriesOf(own) ?? {}).map(([key, value]) => [key, value, key] as const);
  for (const [key, value, where] of pairs) {
    const path: Path = ['services', name, 'environment', where];
    // Without a value it is the shell's.
    const given = value === undefined || value === null ? variables[key] : textAt(value, path);
    if (given !== undefined) found[key] = { value: given, from: { file, line: lineOf(path) } };
  }
  return found;
}

function pairOf(line: string): readonly [string, string | undefined] {
  const at = line.indexOf('=');
  return at === -1 ? [line, undefined] : [line.slice(0, at), line.slice(at + 1)];
}

function portsOf(value: unknown, path: Path, { textAt, tell }: Reading): ComposeService['ports'] {
  return listOf(value).flatMap((one, index) => {
    const long = entriesOf(one);
    const text =
      long === undefined
        ? textAt(one, [...path, index])
        : `${textAt(long['published'], path) ?? ''}:${textAt(long['target'], path) ?? ''}`;
    const port = portOf(text ?? '');
    if (port === undefined)
      tell([...path, index], `${text ?? 'this'} is no port HOST:CONTAINER of TCP, one at a time`);
    return port ?? [];
  });
}

/** Without a word Compose makes a network for the project. */
function networkOf(entries: Entries, path: Path, reading: Reading): string {
  const { textAt, tell, project, root } = reading;
  const mode = textAt(entries['network_mode'], path);
  if (mode !== undefined) return mode;
  const named = entries['networks'];
  const names = [...listOf(named).map(String), ...Object.keys(entriesOf(named) ?? {})];
  if (names.length > 1)
    tell(path, `a member has one network, and ${names.join(', ')} are ${names.length}`);
  const name = names[0] ?? 'default';
  const declared = entriesOf(entriesOf(root['networks'])?.[name]);
  return (
    textAt(declared?.['name'], path) ??
    (declared?.['external'] === true ? name : `${project}_${name}`)
  );
}

function graceOf(value: unknown, path: Path, { textAt, tell }: Reading): number | undefined {
  const text = textAt(value, path);
  if (text === undefined) return undefined;
  const ms = durationMs(text);
  if (ms === undefined) tell(path, `${text} is no duration such as 1m30s`);
  return ms;
}

function limitsOf(
  entries: Entries,
  at: Path,
  { textAt, tell }: Reading,
): Pick<ComposeService, 'openFiles' | 'memoryBytes'> {
  const nofile = entriesOf(entries['ulimits'])?.['nofile'];
  const soft = textAt(entriesOf(nofile)?.['soft'] ?? nofile, [...at, 'ulimits']);
  const resources = entriesOf(entriesOf(entries['deploy'])?.['resources']);
  const memory = entriesOf(resources?.['limits'])?.['memory'] ?? entries['mem_limit'];
  const text = textAt(memory, at);
  const memoryBytes = text === undefined ? undefined : sizeBytes(text);
  if (text !== undefined && memoryBytes === undefined) tell(at, `${text} is no size such as 8g`);
  return { openFiles: soft === undefined ? undefined : Number(soft), memoryBytes };
}

export const directoryOf = (file: string, workingDirectory: string): string =>
  file === '-' ? workingDirectory : dirname(resolve(workingDirectory, file));
