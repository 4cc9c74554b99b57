// The bundled programs, as they are shipped: tests and the demo run what users run. Made anew when anything that goes
// into them is newer.
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const bundle = join(root, 'dist-bundle');
const bundler = join(root, 'scripts/bundle.mjs');
const made = ['leafward.cjs', 'leafward-agent', 'leafward-agent.cjs', 'leafward-deadman'];
const sources = [
  ...['packages/agent/dist', 'packages/agent/deadman', 'packages/controller/dist'],
  'packages/shared/dist',
];
let isFresh = false;

/** Returns the directory of the bundle. */
export function freshBundle(): string {
  if (isFresh) return bundle;
  const oldest = Math.min(...made.map((name) => changedAt(join(bundle, name))));
  const newest = Math.max(
    changedAt(bundler),
    ...sources.flatMap((path) => below(join(root, path))),
  );
  if (newest >= oldest) execFileSync(process.execPath, [bundler], { cwd: root, stdio: 'pipe' });
  isFresh = true;
  return bundle;
}

function below(directory: string): readonly number[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return names.map((name) => changedAt(join(directory, name)));
}

function changedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
