// Makes a stand-in cell of one version: a single file that plain node runs.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

export interface CellImageOptions {
  /** `2.113.0` */
  readonly version: string;
  readonly outDir: string;
}

/** Path of `cell-<version>.cjs`. Equal versions give equal bytes. Needs the compiled tests. */
export async function buildCellImage(options: CellImageOptions): Promise<string> {
  if (!/^2\.\d+\.\d+$/.test(options.version)) throw new Error(`no version: ${options.version}`);
  await mkdir(options.outDir, { recursive: true });
  const outfile = join(options.outDir, `cell-${options.version}.cjs`);
  await build({
    entryPoints: [join(import.meta.dirname, 'main.js')],
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    outfile,
    banner: { js: '#!/usr/bin/env node' },
    define: { CELL_VERSION: JSON.stringify(options.version) },
    logLevel: 'silent',
  });
  return outfile;
}
