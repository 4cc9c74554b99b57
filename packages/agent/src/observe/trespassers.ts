// Finds what runs on a retired storage although no order names it there: a member that was left out of the order, a
// container or process that somebody started (I2). Reads only; never throws.
import { resolve } from 'node:path';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { JournalState } from '../journal/records.js';
import { readMarker, realPathOf, type Marker } from '../marker.js';
import type { Trespasser } from '../plan/observed.js';
import type { ForeignContainer, Runtime } from '../runtimes/runtime.js';

export interface Listed {
  readonly runtime: Runtime['name'];
  readonly container: ForeignContainer;
}

export interface TrespasserFinder {
  find(
    listed: readonly Listed[],
    journal: Pick<JournalState, 'intent' | 'retirements'>,
  ): Promise<readonly Trespasser[]>;
}

/** A directory does not become retired by itself: what was none is not looked at in each pass. */
const REMEMBERED = 50;
const MOST_PATHS = 200;

export function createTrespasserFinder(): TrespasserFinder {
  /** By path: how many passes it need not be looked at again. */
  const harmless = new Map<string, number>();

  const retiredMarker = async (path: string): Promise<Marker | undefined> => {
    const left = harmless.get(path) ?? 0;
    if (left > 0) {
      harmless.set(path, left - 1);
      return undefined;
    }
    const reading = await readMarker(path);
    if (reading.kind === 'found' && reading.marker.retired !== undefined) return reading.marker;
    if (harmless.size >= MOST_PATHS) harmless.clear();
    harmless.set(path, REMEMBERED);
    return undefined;
  };
  return {
    async find(listed, { intent, retirements }) {
      const members = intent?.members ?? [];
      const found: Trespasser[] = [];
      for (const { runtime, container } of listed) {
        const { member, name } = container;
        if (!container.running || container.drill === true) continue;
        const wanted = members.find((one) => one.member === member && one.spec.runtime === runtime);
        for (const written of container.writes) {
          if (wanted !== undefined && isWanted(written, wanted)) continue;
          const storage =
            resolve(written) in retirements ? resolve(written) : await realPathOf(written);
          const marker = storage in retirements ? undefined : await retiredMarker(storage);
          if (!(storage in retirements) && marker === undefined) continue;
          found.push({ runtime, name, storage, marker });
          break;
        }
      }
      return found;
    },
  };
}

/** Its own plan looks after it there, and knows whether that is retired. */
function isWanted(written: string, { spec }: MemberIntent): boolean {
  const wanted = [spec.storage, spec.backupDirectory, ...spec.mounts.map(({ source }) => source)];
  return wanted.some((path) => path !== undefined && resolve(path) === resolve(written));
}
