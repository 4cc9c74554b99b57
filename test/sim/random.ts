// The only source of chance in the simulation: sfc32 (C. Doty-Humphrey, PractRand), seeded with SplitMix32. The
// same seed gives the same numbers on every machine.

export interface Random {
  /** Within [0, 1). */
  next(): number;
  /** Within [least, most). */
  between(least: number, most: number): number;
  /** A whole number within [0, count). */
  below(count: number): number;
  chance(probability: number): boolean;
  /** @throws RangeError for an empty list. */
  pick<T>(list: readonly T[]): T;
  /** A stream of its own, so that what one part draws changes nothing for another. */
  fork(salt: number): Random;
}

export function createRandom(seed: number): Random {
  let mixed = seed >>> 0;
  const mix = (): number => {
    mixed = (mixed + 0x9e3779b9) >>> 0;
    let z = mixed;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  let [a, b, c, counter] = [mix(), mix(), mix(), mix()];
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return (sum >>> 0) / 4_294_967_296;
  };
  for (let round = 0; round < 12; round += 1) next();
  const below = (count: number): number => Math.floor(next() * count);
  return {
    next,
    below,
    between: (least, most) => least + next() * (most - least),
    chance: (probability) => next() < probability,
    pick: (list) => {
      const found = list[below(list.length)];
      if (list.length === 0) throw new RangeError('nothing to pick from');
      return found as (typeof list)[number];
    },
    fork: (salt) => createRandom(Math.imul(seed ^ 0x5bd1e995, 0x27d4eb2f) ^ salt),
  };
}
