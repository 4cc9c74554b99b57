// Makes one file that plain node runs out of a stand-in's compiled modules.
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { build } from 'esbuild';

export interface Program {
  /** The compiled module that begins. */
  readonly entry: string;
  readonly outfile: string;
  /** Put in for a constant of this name, as text. */
  readonly constants: Readonly<Record<string, string>>;
}

/** Equal inputs give equal bytes. Returns `outfile`. */
export async function bundleProgram({ entry, outfile, constants }: Program): Promise<string> {
  await mkdir(dirname(outfile), { recursive: true });
  await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    outfile,
    banner: { js: '#!/usr/bin/env node' },
    define: Object.fromEntries(
      Object.entries(constants).map(([name, text]) => [name, JSON.stringify(text)]),
    ),
    logLevel: 'silent',
  });
  return outfile;
}
