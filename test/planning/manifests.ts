// The manifests that the model's worlds are deployed from: a tree of mirrors, and a stack of workers.

export const HOSTS = ['alpha', 'bravo', 'charlie', 'delta'];

export interface TreeOptions {
  readonly image?: string;
  readonly extra?: string;
  readonly members?: readonly (readonly [string, string, string?])[];
}

export const DEFAULT_TREE: readonly (readonly [string, string, string?])[] = [
  ['00.cortex', 'alpha'],
  ['01.cortex', 'bravo', '00.cortex'],
  ['02.cortex', 'charlie', '00.cortex'],
  ['03.cortex', 'delta', '01.cortex'],
];

/** A manifest with one service `cortex`: by default a leader, two mirrors and a mirror of a mirror. */
export function manifestOf(options: TreeOptions = {}): string {
  const members = options.members ?? DEFAULT_TREE;
  const hosts = [...new Set(members.map(([, host]) => host))];
  return [
    'fleet: loop',
    'hosts:',
    ...hosts.map((host) => `  ${host}:`),
    'services:',
    '  cortex:',
    '    kind: synapse',
    `    image: ${options.image ?? 'cortex:2.113.0'}`,
    '    upstreamUrl: aha://{member}.loop',
    ...(options.extra === undefined ? [] : [options.extra]),
    '    members:',
    ...members.map(
      ([name, host, upstream]) =>
        `      ${name}: { host: ${host}${upstream === undefined ? '' : `, upstream: ${upstream}`} }`,
    ),
  ].join('\n');
}

export interface StackOptions {
  readonly image?: string;
  readonly extra?: string;
  readonly workers?: readonly (readonly [string, string])[];
}

/** A main process and, by default, two workers, whose order in the manifest is not that of their names. */
export function stackManifest(options: StackOptions = {}): string {
  const workers = options.workers ?? [
    ['sync', 'bravo'],
    ['media', 'alpha'],
  ];
  return [
    'fleet: loop',
    'hosts:',
    ...HOSTS.map((host) => `  ${host}:`),
    'services:',
    '  chat:',
    '    kind: matrix-synapse',
    `    image: ${options.image ?? 'chat:1.58.0'}`,
    ...(options.extra === undefined ? [] : [options.extra]),
    '    members:',
    '      main: { host: alpha }',
    ...workers.map(([name, host]) => `      ${name}: { host: ${host}, upstream: main }`),
  ].join('\n');
}
