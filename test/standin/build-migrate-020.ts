// Makes the stand-in of the migration tools: a single file that plain node runs.
import { join } from 'node:path';
import { bundleProgram } from './bundle-program.js';

/** Path of `migrate-020-0.2.0.cjs`. Needs the compiled tests. */
export const buildMigrate020 = (outDir: string): Promise<string> =>
  bundleProgram({
    entry: join(import.meta.dirname, 'migrate-020-main.js'),
    outfile: join(outDir, 'migrate-020-0.2.0.cjs'),
    constants: {},
  });
