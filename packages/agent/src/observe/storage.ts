// What a member's storage says of itself: its marker, its room, its true path. A volume that hangs costs one
// waiting call, however often it is asked, and is reported as what it is.
import { realpath, statfs } from 'node:fs/promises';
import { resolve } from 'node:path';
import { messageOf } from '@leafward/shared/errors.js';
import type { StorageFact } from '@leafward/shared/gen/domain.js';
import { createSingleFlight, type SingleFlight } from '../checks/single-flight.js';
import { readMarker, type MarkerReading } from '../marker.js';

export interface StorageReading {
  readonly path: string;
  readonly marker: MarkerReading;
  readonly fact: StorageFact;
}

export interface StorageReader {
  /** Never throws. */
  read(storage: string, dataBytes: number | undefined): Promise<StorageReading>;
  readonly once: SingleFlight;
}

const DEADLINE_MS = 2000;

export function createStorageReader(): StorageReader {
  const once = createSingleFlight();
  /** Where each path led when it could be asked last: a volume that hangs is still the one that it was. */
  const paths = new Map<string, string>();
  return {
    once,
    async read(storage, dataBytes) {
      try {
        const reading = await once(`read ${storage}`, () => readStorage(storage, dataBytes), {
          deadlineMs: DEADLINE_MS,
        });
        paths.set(storage, reading.path);
        return reading;
      } catch (error) {
        const text = messageOf(error);
        return {
          path: paths.get(storage) ?? resolve(storage),
          marker: { kind: 'unreadable', error: text },
          fact: { dataBytes, error: text },
        };
      }
    },
  };
}

async function readStorage(
  storage: string,
  dataBytes: number | undefined,
): Promise<StorageReading> {
  const path = await realpath(storage).catch(() => resolve(storage));
  const marker = await readMarker(storage);
  const room = await statfs(storage).catch(() => undefined);
  const found = marker.kind === 'found' ? marker.marker : undefined;
  return {
    path,
    marker,
    fact: {
      dataBytes,
      freeBytes: room === undefined ? undefined : room.bavail * room.bsize,
      totalBytes: room === undefined ? undefined : room.blocks * room.bsize,
      markerTerm: found?.term,
      retiredAtTerm: found?.retired?.term,
      error: marker.kind === 'unreadable' ? marker.error : undefined,
    },
  };
}
