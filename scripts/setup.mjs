// Makes a clean clone ready: installs what the lock file says, builds better-sqlite3 from source, compiles.
// Does nothing that is already done. Network access is npm's registry alone.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

const [major] = process.versions.node.split('.').map(Number);
if (major < 20) fail(`Node 20 or newer is needed, this is ${process.version}`);

const run = (what, command, args, env = {}) => {
  const started = Date.now();
  process.stdout.write(`setup: ${what} … `);
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 64 << 20,
    shell: process.platform === 'win32',
  });
  if (result.status !== 0) {
    process.stdout.write('failed\n');
    fail(
      `${command} ${args.join(' ')} ended with ${result.status}\n${result.stdout}${result.stderr}`,
    );
  }
  process.stdout.write(`${((Date.now() - started) / 1000).toFixed(1)} s\n`);
};
// Node's own headers, where they lie beside the binary, spare node-gyp a download.
function nodeHeaders() {
  const root = dirname(dirname(process.execPath));
  return existsSync(join(root, 'include/node/node.h')) ? { npm_config_nodedir: root } : {};
}
function fail(text) {
  console.error(`setup: ${text}`);
  process.exit(1);
}

const lock = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex');
const stamp = 'node_modules/.leafward-setup';
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== `${lock} ${process.version}`) {
  run('install packages', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
  run('compile better-sqlite3 from source', 'npm', ['rebuild', 'better-sqlite3', '--no-audit'], {
    npm_config_build_from_source: 'true',
    ...nodeHeaders(),
  });
  writeFileSync(stamp, `${lock} ${process.version}`);
}
run('compile', process.execPath, ['node_modules/typescript/bin/tsc', '-b']);
run('bundle', process.execPath, ['scripts/bundle.mjs']);
linkPrograms();

/**
 * npm links the programs of a workspace only when they are compiled already, which they never are in a clone. The
 * operator's is the bundled one: it starts in half the time.
 */
function linkPrograms() {
  mkdirSync('node_modules/.bin', { recursive: true });
  for (const folder of ['packages/agent', 'packages/controller']) {
    const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    for (const [name, file] of Object.entries(bin)) {
      const link = join('node_modules/.bin', name);
      const program = name === 'leafward' ? 'dist-bundle/leafward.cjs' : join(folder, file);
      chmodSync(program, 0o755);
      rmSync(link, { force: true });
      symlinkSync(join('../..', program), link);
    }
  }
}
