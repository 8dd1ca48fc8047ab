/** The seed of every run, so that each run tries the same values. */
const fixedSeed = 20_261_129;

/** Returns a generator of numbers in `[0, 1)`, the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Returns the seed of `KW_SEED`, or the fixed one: a run that fails fails again. */
export function testSeed(): number {
  return Number(process.env['KW_SEED'] ?? fixedSeed);
}

/** Returns and prints `testSeed`. */
export function printedSeed(): number {
  const seed = testSeed();
  console.log(`      KW_SEED=${seed}`);
  return seed;
}
