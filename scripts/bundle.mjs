// Bundles the agent and the operator's program into one CommonJS file each, without native parts: dist-bundle/
// leafward-agent.cjs, beside it the command leafward-agent that starts it and the script leafward-deadman; leafward.cjs.
// What only remote or building Docker clients need is left out. Files are replaced whole: whoever runs one has all of it.
import { build } from 'esbuild';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const output = join(root, 'dist-bundle');
const version = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;

/** Module → what asks for it. Each throws when it is used after all. */
const leftOut = /^(ssh2|cpu-features|@grpc\/proto-loader)$|^\.\/(session|buildkit)$/;
const stub = {
  name: 'leave-out',
  setup(bundling) {
    bundling.onResolve({ filter: leftOut }, ({ path, importer }) =>
      path.startsWith('./') && !importer.includes('dockerode')
        ? undefined
        : { path, namespace: 'left-out' },
    );
    bundling.onLoad({ filter: /.*/, namespace: 'left-out' }, ({ path }) => ({
      contents: `module.exports = function () { throw new Error(${JSON.stringify(`${path} is not part of the agent`)}); };`,
    }));
  },
};

mkdirSync(output, { recursive: true });
const agent = await bundle({
  entry: join(root, 'packages/agent/dist/bin.js'),
  target: join(output, 'leafward-agent.cjs'),
  version: join(root, 'packages/agent/dist/version.js'),
  // It lives long and keeps its own text in memory. Names stay: a stack must be readable.
  minifyWhitespace: true,
  minifySyntax: true,
});
const eager = eagerPackages(agent.inputs, agent.outputs);
const tooMuch = ['zod', 'yaml', 'node-forge', 'dockerode', 'systeminformation'].filter((name) =>
  eager.has(name),
);
if (tooMuch.length > 0)
  fail(`loaded at the start, and kept in memory for ever: ${tooMuch.join(', ')}; import() them`);
await bundle({
  entry: join(root, 'packages/controller/dist/cli/bin.js'),
  target: join(output, 'leafward.cjs'),
  version: join(root, 'packages/controller/dist/version.js'),
});

// A small young generation: the agent lives long and makes little garbage, and 3 MB fewer are resident. No optimizing
// compiler: what an agent at rest runs is hardly ever hot, and compiling it keeps 8 MB resident.
put(
  'leafward-agent',
  `#!/bin/sh
# Starts the agent. LEAFWARD_AGENT names the bundled file, LEAFWARD_NODE another Node.
# Each call that hangs on a dead volume holds a thread: four would leave none for the journal and the fence.
export UV_THREADPOOL_SIZE="\${UV_THREADPOOL_SIZE:-16}"
exec "\${LEAFWARD_NODE:-node}" --max-semi-space-size=1 --no-opt \\
  "\${LEAFWARD_AGENT:-/usr/lib/leafward/leafward-agent.cjs}" "$@"
`,
);
put(
  'leafward-deadman',
  readFileSync(join(root, 'packages/agent/deadman/leafward-deadman'), 'utf8'),
);
if (process.argv.includes('--sizes')) sizes(agent);

/** @returns what went into it. Ends the program when it is not to be shipped. */
async function bundle({ entry, target, version: versionFile, ...options }) {
  const said = readFileSync(versionFile, 'utf8');
  if (!said.includes(`'${version}'`))
    fail(`${versionFile} does not say ${version}, which package.json does`);
  const { metafile, outputFiles } = await build({
    entryPoints: [entry],
    outfile: target,
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    define: { 'process.env.NODE_ENV': '"production"' },
    plugins: [stub],
    ...options,
  });
  const native = Object.keys(metafile.inputs).filter((path) => path.endsWith('.node'));
  if (native.length > 0) fail(`native parts in the bundle: ${native.join(', ')}`);
  const [{ contents }] = outputFiles;
  put(basename(target), contents);
  console.log(`bundle: ${target}, version ${version}, ${(contents.length / 1e6).toFixed(1)} MB`);
  return metafile;
}

function put(name, content) {
  const target = join(output, name);
  const beside = `${target}.${process.pid}`;
  writeFileSync(beside, content);
  chmodSync(beside, 0o755);
  renameSync(beside, target);
}

/** Bytes by package, biggest first: what the agent would be lighter without. */
function sizes({ outputs }) {
  const byPackage = new Map();
  for (const [path, { bytesInOutput }] of Object.entries(Object.values(outputs)[0].inputs)) {
    const name = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? 'leafward';
    byPackage.set(name, (byPackage.get(name) ?? 0) + bytesInOutput);
  }
  for (const [name, bytes] of [...byPackage].sort((a, b) => b[1] - a[1]).slice(0, 15))
    console.log(`${(bytes / 1e3).toFixed(0).padStart(8)} kB  ${name}`);
}

/** Packages that are loaded before anything is done: all that an `import()` does not stand before. */
function eagerPackages(inputs, outputs) {
  const found = new Set();
  const waiting = Object.values(outputs).map((output) => output.entryPoint);
  const seen = new Set(waiting);
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop())
    for (const { path: next, kind, external } of inputs[path]?.imports ?? []) {
      if (external || kind === 'dynamic-import' || seen.has(next)) continue;
      seen.add(next);
      waiting.push(next);
      found.add(/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(next)?.[1]);
    }
  return found;
}

function fail(text) {
  console.error(`bundle: ${text}`);
  process.exit(1);
}
