// Bundles the production sources of one program and makes it startable as often as there are simulated processes:
// each start has its own module state, its own clock and its own disks, since everything that a program could learn
// of a real machine is a parameter of the bundle. A mutation is one text replaced in one source, exactly once.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';
import { build, type Plugin } from 'esbuild';
import { createProgram, GLOBAL_NAMES, type Evaluate, type Program } from './instances.js';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../../..');
const programs = join(root, 'test/sim/programs');
const require = createRequire(import.meta.url);

/** One text for another in one file. */
export interface Edit {
  /** Of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutation extends Edit {
  readonly name: string;
  /** The guard behind the one that is broken, which would hide it. */
  readonly also?: Edit;
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

/** Modules whose state is derived from its key alone, and those that nothing calls here. */
const HARMLESS = new Set([
  'packages/agent/src/checks/mounts.ts',
  'packages/agent/src/checks/name-resolution.ts',
]);

export interface Loaded {
  readonly program: Program;
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
  const found = new Map<string, unknown>();
  for (const path of externals) found.set(path, await external(path));
  const text = result.outputFiles[0]?.text ?? '';
  return { program: compiled(name, text, found, mutated.count), mutations: mutated.count };
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
        let text = readFileSync(path, 'utf8');
        for (const edit of mutation === undefined ? [] : editsOf(mutation)) {
          if (path !== join(root, edit.file)) continue;
          text = edited(text, edit);
          mutated.count += 1;
        }
        return { contents: withResets(path, text), loader: 'ts' };
      });
    },
  };
}

export const editsOf = ({ also, ...edit }: Mutation): readonly Edit[] =>
  also === undefined ? [edit] : [edit, also];

function edited(text: string, { file, find, replace }: Edit): string {
  const parts = text.split(find);
  if (parts.length !== 2)
    throw new Error(
      `${JSON.stringify(find)} stands ${parts.length - 1} times in ${file}; it must stand there once: bring test/sim/mutations.ts up to date`,
    );
  return parts.join(replace);
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

/** What a process would leave to the next one of its instance is made anew. @throws Error where that is not known. */
function withResets(path: string, text: string): string {
  const file = path.slice(root.length + 1);
  const resets: string[] = [];
  const made = text
    .replaceAll(MADE, (_, exported = '', name: string, type = '', value: string) => {
      resets.push(`${name} = ${value};`);
      return `${exported}let ${name}${type} = ${value};`;
    })
    .replaceAll(UNSET, (line: string, name: string) => {
      resets.push(`${name} = undefined;`);
      return line;
    });
  const other = OTHER_STATE.exec(text)?.[0];
  if (other !== undefined && !HARMLESS.has(file))
    throw new Error(`${file}: a new process must begin without "${other}": see test/sim/load.ts`);
  return resets.length === 0 ? made : `${made}\nonReset(() => { ${resets.join(' ')} });\n`;
}
/** const texts = createTextCache(); */
const MADE =
  /^(export )?const (\w+)(: [^=\n]+)? = ((?:create\w+|new (?:Map|Set))(?:<.*>)?\(\));$/gm;
/** let uptime: number | undefined; */
const UNSET = /^let (\w+)(?:: [^=\n]+)?;$/gm;
const OTHER_STATE = /^(export )?let .* = .*|^(export )?const .* = create\w+\([^)\n].*/m;

function compiled(
  name: string,
  text: string,
  externals: ReadonlyMap<string, unknown>,
  mutations: number,
): Program {
  const parameters = ['module', 'exports', 'require', 'onReset', ...GLOBAL_NAMES];
  const run = compileFunction(text, parameters, {
    filename: `simulated-${name}${mutations > 0 ? '-mutated' : ''}.js`,
  }) as (...args: unknown[]) => void;
  const evaluate: Evaluate = (module, require, globals, onReset) =>
    run(module, module.exports, require, onReset, ...globals);
  return createProgram(name, evaluate, (path) => externals.get(path));
}
