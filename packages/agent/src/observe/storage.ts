// What a member's storage says of itself: its marker, its room, its true path. A volume that hangs costs one
// waiting call, however often it is asked, and is reported as what it is.
import { stat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { messageOf } from '@leafward/shared/errors.js';
import type { StorageFact } from '@leafward/shared/gen/domain.js';
import { createSingleFlight, type SingleFlight } from '../checks/single-flight.js';
import { readMarker, type MarkerReading } from '../marker.js';
import { truePath } from '../true-path.js';

export interface StorageReading {
  readonly path: string;
  readonly marker: MarkerReading;
  readonly fact: StorageFact;
  /** A mount point cannot be renamed. */
  readonly mounted?: boolean | undefined;
}

/** Of the last walk through it. */
export type StorageSizes = Pick<StorageFact, 'dataBytes' | 'largestDatabaseBytes'>;

export interface StorageReader {
  /** Never throws. */
  read(storage: string, sizes: StorageSizes): Promise<StorageReading>;
  readonly once: SingleFlight;
}

const DEADLINE_MS = 2000;

export function createStorageReader(): StorageReader {
  const once = createSingleFlight();
  /** Where each path led when it could be asked last: a volume that hangs is still the one that it was. */
  const paths = new Map<string, string>();
  return {
    once,
    async read(storage, sizes) {
      try {
        const reading = await once(`read ${storage}`, () => readStorage(storage, sizes), {
          deadlineMs: DEADLINE_MS,
        });
        paths.set(storage, reading.path);
        return reading;
      } catch (error) {
        const text = messageOf(error);
        return {
          path: paths.get(storage) ?? resolve(storage),
          marker: { kind: 'unreadable', error: text },
          fact: { ...sizes, error: text },
        };
      }
    },
  };
}

async function readStorage(storage: string, sizes: StorageSizes): Promise<StorageReading> {
  const path = await truePath(storage).catch(() => resolve(storage));
  const marker = await readMarker(storage);
  const room = await statfs(storage).catch(() => undefined);
  const found = marker.kind === 'found' ? marker.marker : undefined;
  const [own, above] = await Promise.all([deviceOf(path), deviceOf(dirname(path))]);
  return {
    path,
    marker,
    mounted: own !== undefined && own !== above,
    fact: {
      ...sizes,
      freeBytes: room === undefined ? undefined : room.bavail * room.bsize,
      totalBytes: room === undefined ? undefined : room.blocks * room.bsize,
      markerTerm: found?.term,
      retiredAtTerm: found?.retired?.term,
      reseeded: found?.seeding === undefined ? found?.reseeded : undefined,
      error: marker.kind === 'unreadable' ? marker.error : undefined,
    },
  };
}

async function deviceOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ dev }) => dev,
    () => undefined,
  );
}
