// Stops what runs on a retired storage at once, whoever it belongs to (I2), and counts it. One act at a time for each;
// what fails is tried again with the next look. Must never touch anything else.
import { messageOf } from '@leafward/shared/errors.js';
import type { Logger } from '@leafward/shared/log.js';
import type { Journal } from './journal.js';
import type { Trespasser } from './plan/observed.js';
import type { Runtime } from './runtimes/runtime.js';

export interface EvictionsOptions {
  readonly runtime: (name: Runtime['name']) => Runtime;
  readonly journal: Journal;
  readonly log: Logger;
  readonly onEnd: () => void;
}

export interface Evictions {
  begin(trespassers: readonly Trespasser[]): void;
  stop(): Promise<void>;
}

/** It must not be there at all: enough to close its files. */
const GRACE_MS = 5000;
/** Longer than the grace and what a runtime adds to it. */
const DEADLINE_MS = 60_000;

export function createEvictions(options: EvictionsOptions): Evictions {
  const { journal, log } = options;
  const atWork = new Map<string, Promise<void>>();

  const evict = async ({
    name,
    storage,
    runtime: runtimeName,
    marker,
  }: Trespasser): Promise<void> => {
    const runtime = options.runtime(runtimeName);
    log.error(
      { container: name, storage },
      `${name} runs on the retired storage ${storage}: it is stopped (I2)`,
    );
    // Nothing that cannot be written down keeps it alive: stopping comes first.
    const signal = AbortSignal.timeout(DEADLINE_MS);
    await runtime.setRestartPolicyNo(name, signal).catch(() => undefined);
    await runtime.stopListed(name, GRACE_MS, signal);
    await note(storage, runtimeName, marker);
  };

  /** A run that was seen after its storage was proven at rest is a start (I2). */
  const note = async (
    storage: string,
    runtime: Runtime['name'],
    marker: Trespasser['marker'],
  ): Promise<void> => {
    const known = journal.state.retirements[storage];
    if (known === undefined && marker?.retired !== undefined) {
      const { member, service, retired } = marker;
      const retirement = { ...retired, member, service, storage, runtime };
      await journal.append({ kind: 'retired', retirement });
    }
    if (known?.proven === true)
      await journal.append({ kind: 'retired-start-seen', storage, member: known.member });
    if (journal.state.retirements[storage]?.proven === false)
      await journal.append({ kind: 'retirement-proven', storage });
  };
  return {
    begin(trespassers) {
      for (const trespasser of trespassers) {
        const key = `${trespasser.runtime} ${trespasser.name}`;
        if (atWork.has(key)) continue;
        const work = evict(trespasser)
          .catch((error: unknown) => log.error({ container: key }, messageOf(error)))
          .finally(() => {
            atWork.delete(key);
            options.onEnd();
          });
        atWork.set(key, work);
      }
    },
    async stop() {
      await Promise.all(atWork.values());
    },
  };
}
