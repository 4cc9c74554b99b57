// Bundles the production sources of one program and makes it startable as often as there are simulated processes:
// each start has its own module state, its own clock and its own disks, since everything that a program could learn
// of a real machine is a parameter of the bundle. A mutation is one text replaced in one source, exactly once.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';
import { build, type Plugin } from 'esbuild';
import type { Globals } from './globals.js';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../../..');
const programs = join(root, 'test/sim/programs');
const require = createRequire(import.meta.url);

export interface Mutation {
  readonly name: string;
  /** Of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** Production modules that stand for a machine's parts, and what stands for them here. */
const replaced: Readonly<Record<string, string>> = {
  'packages/agent/src/link/dial.ts': 'dial.ts',
  'packages/agent/src/runtimes/registry.ts': 'runtimes.ts',
  'packages/agent/src/engines/synapse/engine.ts': 'engines.ts',
  'packages/agent/src/backups/catalogue.ts': 'catalogue.ts',
  'packages/agent/src/checks/disk-watcher.ts': 'measures.ts',
  'packages/agent/src/checks/data-meter.ts': 'measures.ts',
  'packages/agent/src/checks/tuner.ts': 'measures.ts',
  'packages/agent/src/findings.ts': 'measures.ts',
  'packages/agent/src/host-fact.ts': 'measures.ts',
};
/** Shared by all processes: pure, without a clock; and one class of errors for both sides of the bundle. */
const shared = /^@leafward\/shared\/(errors|assert|rpc\/.*|gen\/leafward\/.*)\.js$/;

export type Start = (
  globals: Globals,
  modules: Readonly<Record<string, unknown>>,
) => Readonly<Record<string, unknown>>;

export interface Loaded {
  readonly start: Start;
  /** 1: the mutation is in it. */
  readonly mutations: number;
}

/** @throws Error when a mutation's text is not found exactly once. */
export async function loadProgram(name: string, mutation?: Mutation): Promise<Loaded> {
  const mutated = { count: 0 };
  const externals = new Set<string>();
  const result = await build({
    entryPoints: [join(programs, `${name}.ts`)],
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    logLevel: 'error',
    absWorkingDir: root,
    plugins: [sources(mutation, mutated, externals)],
  });
  if (mutation !== undefined && mutated.count > 1)
    throw new Error(
      `mutation ${mutation.name}: its text stands ${mutated.count} times in the program`,
    );
  const found = new Map<string, unknown>();
  for (const path of externals) found.set(path, await external(path));
  const start = compiled(name, result.outputFiles[0]?.text ?? '', found, mutated.count);
  return { start, mutations: mutated.count };
}

function sources(
  mutation: Mutation | undefined,
  mutated: { count: number },
  externals: Set<string>,
): Plugin {
  return {
    name: 'production-sources',
    setup(bundling) {
      bundling.onResolve({ filter: /^real:/ }, ({ path }) => ({
        path: path.slice('real:'.length),
      }));
      bundling.onResolve({ filter: /^[^./]/ }, ({ path }) => {
        const own = /^@leafward\/(shared|agent|controller)\/(.*)\.js$/.exec(path);
        if (own !== null && !shared.test(path))
          return { path: at(join(root, 'packages', own[1] ?? '', 'src', `${own[2]}.ts`)) };
        if (path.startsWith(root)) return undefined;
        externals.add(path);
        return { path, external: true };
      });
      bundling.onResolve({ filter: /^\./ }, ({ path, resolveDir }) => {
        const target = resolve(resolveDir, path.replace(/\.js$/, '.ts'));
        const isShared = /packages\/shared\/src\/(.*)\.ts$/.exec(target);
        const as = `@leafward/shared/${isShared?.[1]}.js`;
        if (isShared !== null && shared.test(as)) {
          externals.add(as);
          return { path: as, external: true };
        }
        return { path: at(target) };
      });
      // What a stand-in does not stand for is the real module's.
      bundling.onLoad({ filter: /test\/sim\/programs\/.*\.ts$/ }, ({ path }) => {
        const real = Object.keys(replaced).filter(
          (file) => join(programs, replaced[file] ?? '') === path,
        );
        const rest = real.map((file) => `export * from 'real:${join(root, file)}';\n`).join('');
        return { contents: readFileSync(path, 'utf8') + rest, loader: 'ts' };
      });
      bundling.onLoad({ filter: /packages\/.*\.ts$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8');
        if (mutation === undefined || path !== join(root, mutation.file)) return undefined;
        const parts = text.split(mutation.find);
        if (parts.length !== 2)
          throw new Error(
            `mutation ${mutation.name}: its text stands ${parts.length - 1} times in ${mutation.file}; ` +
              'it must stand there once: bring test/sim/mutations.ts up to date',
          );
        mutated.count += 1;
        return { contents: parts.join(mutation.replace), loader: 'ts' };
      });
    },
  };
}

function at(path: string): string {
  const stand = replaced[path.slice(root.length + 1)];
  return stand === undefined ? path : join(programs, stand);
}

async function external(path: string): Promise<unknown> {
  const isSimulated = /^node:(fs|fs\/promises|timers\/promises|perf_hooks|crypto)$/.test(path);
  if (isSimulated || path === 'better-sqlite3') return undefined;
  return path.startsWith('@leafward/')
    ? ((await import(path)) as unknown)
    : (require(path) as unknown);
}

function compiled(
  name: string,
  text: string,
  externals: ReadonlyMap<string, unknown>,
  mutations: number,
): Start {
  const names = [
    ...['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate'],
    ...[
      'clearImmediate',
      'queueMicrotask',
      'performance',
      'Date',
      'Math',
      'AbortSignal',
      'process',
    ],
  ] as const;
  const run = compileFunction(text, ['module', 'exports', 'require', ...names], {
    filename: `simulated-${name}${mutations > 0 ? '-mutated' : ''}.js`,
  }) as (...args: unknown[]) => void;
  return (globals, modules) => {
    const module = { exports: {} as Record<string, unknown> };
    const find = (path: string): unknown => {
      const value = path in modules ? modules[path] : externals.get(path);
      if (value === undefined) throw new Error(`${name}: nothing simulated stands for ${path}`);
      return value;
    };
    const values = names.map((key) => (globals as unknown as Record<string, unknown>)[key]);
    run(module, module.exports, find, ...values);
    return module.exports;
  };
}
