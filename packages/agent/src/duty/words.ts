// What a controller has said of services last, and how long that counts. Holds nothing durable: without a word the agent
// goes on alone.
import type { ServiceWord, ServiceWords } from '@leafward/shared/gen/domain.js';

/**
 * A connected agent hears every few seconds, at the longest every minute. A word that is older says nothing about now: an
 * operation whose controller is away is advanced by nobody, and must not keep backups from being taken.
 */
const FRESH_MS = 150_000;

export interface Words {
  /** True when something else was said than before. */
  heard(words: ServiceWords | undefined): boolean;
  of(service: string): HeardWord | undefined;
}

export interface HeardWord extends Omit<ServiceWord, 'service'> {
  readonly isFresh: boolean;
}

export function createWords(monotonic: () => number): Words {
  let known = new Map<string, { readonly word: ServiceWord; readonly at: number }>();
  return {
    heard(words) {
      const at = monotonic();
      const before = [...known.values()].map(({ word }) => word);
      const said = words?.services ?? [];
      // A controller that is silent on a service says nothing against what was said of it.
      const kept = [...known].filter(([name]) => said.every(({ service }) => service !== name));
      known = new Map([...kept, ...said.map((word) => [word.service, { word, at }] as const)]);
      return JSON.stringify(before) !== JSON.stringify([...known.values()].map(({ word }) => word));
    },
    of(service) {
      const found = known.get(service);
      if (found === undefined) return undefined;
      const ageMs = monotonic() - found.at;
      const { operation, ...word } = found.word;
      return {
        ...word,
        operation: ageMs <= FRESH_MS ? operation : undefined,
        isFresh: ageMs <= FRESH_MS,
      };
    },
  };
}
