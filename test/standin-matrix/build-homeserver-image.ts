// Makes a stand-in homeserver of one version: a single file that plain node runs, as main process or as worker.
import { join } from 'node:path';
import { bundleProgram } from '../standin/bundle-program.js';

/** Path of `homeserver-<version>.cjs`; versions are as `1.66.0`. Needs the compiled tests. */
export async function buildHomeserverImage(version: string, outDir: string): Promise<string> {
  if (!/^1\.\d+\.\d+$/.test(version)) throw new Error(`not a version: ${version}`);
  const outfile = join(outDir, `homeserver-${version}.cjs`);
  const entry = join(import.meta.dirname, 'main.js');
  return bundleProgram({ entry, outfile, constants: { HOMESERVER_VERSION: version } });
}
