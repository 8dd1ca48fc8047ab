import fc from 'fast-check';

import { seededRandom } from '../../support/seeded-random.ts';
import { perform } from './commands/perform.ts';
import { arbitrarySetting, arbitrarySteps } from './commands/steps.ts';
import { bringToRest } from './invariants/at-rest.ts';
import type { ModelDatabase } from './system/model-database.ts';
import { memoryPlatform } from './system/replica.ts';
import { Violation, World } from './system/world.ts';

/** Which sequences of steps are run. */
export interface Selection {
  readonly seed: number;
  readonly runs: number;
  /** Begins with this sequence of the seed. @defaultValue the first one */
  readonly path?: string | undefined;
}

/** How much was run. */
export interface Totals {
  readonly runs: number;
  readonly calls: number;
}

const longestSequence = 150;
const replicas = 2;
/** How much of what has happened a failure shows. */
const shownLines = 80;

/**
 * Runs sequences of steps, each in a new world, and brings each world to rest. Rejects with the first
 * violation, and how to repeat it. With `MODEL_SHRINK=1` it searches for a shorter sequence first.
 */
export async function runModel(database: ModelDatabase, { seed, runs: numRuns, path }: Selection): Promise<Totals> {
  let [runs, calls] = [0, 0];
  const random = Math.random;
  const property = fc.asyncProperty(arbitrarySetting, arbitrarySteps(longestSequence), async (setting, steps) => {
    // The library waits for random times.
    Math.random = seededRandom(seed);
    const world = await World.open(database, setting, { platform: memoryPlatform, replicas });
    try {
      for (const step of steps) await perform(world, step);
      await bringToRest(world);
    } catch (error) {
      if (error instanceof Violation) error.message += `, after\n${world.trail.slice(-shownLines).join('\n')}`;
      throw error;
    } finally {
      Math.random = random;
      runs += 1;
      calls += world.calls;
    }
  });
  const endOnFailure = process.env['MODEL_SHRINK'] !== '1';
  const result = await fc.check(property, { seed, numRuns, endOnFailure, ...(path === undefined ? {} : { path }) });
  if (result.failed) {
    const again = `MODEL_SEED=${result.seed} MODEL_PATH=${result.counterexamplePath ?? ''}`;
    throw new Error(`${again} repeats this; MODEL_SHRINK=1 shortens it\n${fc.defaultReportMessage(result)}`, {
      cause: result.errorInstance,
    });
  }
  return { runs, calls };
}
