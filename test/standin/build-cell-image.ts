// Makes a stand-in cell of one version: a single file that plain node runs.
import { join } from 'node:path';
import { bundleProgram } from './bundle-program.js';

export interface CellImageOptions {
  /** `2.113.0` */
  readonly version: string;
  readonly outDir: string;
}

/** Path of `cell-<version>.cjs`. Equal versions give equal bytes. Needs the compiled tests. */
export async function buildCellImage({ version, outDir }: CellImageOptions): Promise<string> {
  if (!/^2\.\d+\.\d+$/.test(version)) throw new Error(`no version: ${version}`);
  return bundleProgram({
    entry: join(import.meta.dirname, 'main.js'),
    outfile: join(outDir, `cell-${version}.cjs`),
    constants: { CELL_VERSION: version },
  });
}
