// The stand-in cell as a container image, by version: Node and one file. Versions share all but that file.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildCellImage } from '../standin/build-cell-image.js';
import type { Registry } from './registry.js';
import type { Rig } from './rig.js';

export interface CellImage {
  /** address/cell:VERSION, as a manifest names it. */
  readonly reference: string;
  readonly digest: string;
}

/** Pushes it; about 2 s for the first version and 0.1 s for each other. */
export async function pushCellImage(
  rig: Pick<Rig, 'directory' | 'buildImage'>,
  registry: Registry,
  version: string,
): Promise<CellImage> {
  const file = await buildCellImage({ version, outDir: join(rig.directory, 'cells') });
  const image = await rig.buildImage({
    programs: [process.execPath],
    files: { '/cell.cjs': await readFile(file, 'utf8') },
    command: [process.execPath, '/cell.cjs', '/vertex/storage'],
    labels: { 'org.opencontainers.image.version': version },
  });
  const digest = await registry.push(image, 'cell', version);
  return { reference: `${registry.address}/cell:${version}`, digest };
}
