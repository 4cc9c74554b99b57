// Whether a directory is a Cortex of Synapse 0.1.x, by its layers: those of 0.2.x have another name (the service keeps
// layers/IDEN/layer.lmdb until 0.1.x and layer_v2.lmdb from then on). Reads names only.
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { realPathOf } from '../../marker.js';

const OLD = 'layer.lmdb';
const NEW = 'layer_v2.lmdb';

/** @throws LeafwardError `refused` when it is not, or is not apart from the storage. */
export async function isSource(what: string, source: string, storage: string): Promise<void> {
  const refuse = (why: string): never => {
    throw new LeafwardError('refused', `${what}: ${why}; nothing was touched`);
  };
  const [from, to] = await Promise.all([source, storage].map(realPathOf));
  if (isInside(from ?? '', to ?? '') || isInside(to ?? '', from ?? ''))
    refuse(`${source} and the storage ${storage} lie in each other`);
  const layers = join(source, 'layers');
  const found = await namesIn(layers).catch((error: unknown) =>
    refuse(`${layers} cannot be read: ${messageOf(error)}; the source is a backup of a Cortex`),
  );
  const names = await Promise.all(found.map((layer) => namesIn(join(layers, layer))));
  if (names.flat().includes(NEW)) refuse(`${source} is of Synapse 0.2.x or newer already`);
  if (!names.flat().includes(OLD)) refuse(`${source} has no layer of Synapse 0.1.x (${OLD})`);
}

const namesIn = async (directory: string): Promise<readonly string[]> => readdir(directory);

const isInside = (path: string, parent: string): boolean => {
  const way = relative(parent, path);
  return way === '' || (!way.startsWith('..') && !way.startsWith('/'));
};
