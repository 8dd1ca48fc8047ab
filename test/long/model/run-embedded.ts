import { setTimeout as sleep } from 'node:timers/promises';

import fc from 'fast-check';

import type { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { report } from './commands/host-calls.ts';
import { perform } from './commands/perform.ts';
import { arbitrarySteps } from './commands/steps.ts';
import { bringEmbeddedToRest } from './invariants/embedded-at-rest.ts';
import { embeddedPlatform } from './system/embedded-platform.ts';
import type { Outcome } from './system/gate.ts';
import type { ModelDatabase } from './system/model-database.ts';
import { longMs } from './system/replica.ts';
import { Violation, World } from './system/world.ts';

const stepsOfRun = 60;
/** How long a step may run before the next one begins, at most. */
const longestStepMs = 120;
/** The part of the calls that fail. */
const faults = 0.02;
/** After how many steps outages end, and suspended replicas continue: pods take time to start. */
const stepsOfTrouble = 8;
const shownLines = 80;

/** How much was run, and what hosts have received. */
export interface EmbeddedTotals {
  readonly steps: number;
  readonly calls: number;
  readonly containers: number;
  readonly artifacts: number;
}

/**
 * Runs a sequence of steps on real pods, and brings the world to rest. The seed determines the steps,
 * and not in which order the cluster answers.
 */
export async function runOnEmbedded(
  database: ModelDatabase,
  cluster: EmbeddedCluster,
  seed: number,
): Promise<EmbeddedTotals> {
  const random = seededRandom(seed);
  const [steps = []] = fc.sample(arbitrarySteps(stepsOfRun, stepsOfRun), { seed, numRuns: 1 });
  const setting = { hasStore: random() < 0.5, artifactTimeToLiveMs: longMs };
  const platform = embeddedPlatform(cluster.kubeconfigPath);
  const world = await World.open(database, setting, { platform, replicas: 2 });
  let calls = 0;
  let measuredAt = performance.now();
  const refuses = world.gate.refuses;
  world.gate.refuses = (call) => {
    calls += 1;
    world.pods.step += 1;
    // The database's time passes as that of the machine does, apart from the steps that set it.
    const now = performance.now();
    database.advance(Math.round(now - measuredAt));
    measuredAt = now;
    return refuses(call);
  };
  world.gate.outcomeOf = ({ kind }): Outcome => {
    const drawn = random();
    return kind === 'event' || drawn >= faults ? 'done' : drawn < faults / 2 ? 'refused' : 'lost';
  };
  try {
    for (const [index, step] of steps.entries()) {
      await perform(world, step);
      await sleep(random() * longestStepMs);
      if (index % stepsOfTrouble === stepsOfTrouble - 1) await endTrouble(world);
    }
    await endTrouble(world);
    world.gate.outcomeOf = () => 'done';
    await bringEmbeddedToRest(world, cluster);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    const trail = world.trail.slice(-shownLines).join('\n');
    throw new Error(`MODEL_SEED=${seed}: ${error.message}, after\n${trail}`, { cause: error });
  } finally {
    for (const { drop } of world.replicas) drop();
  }
  const containers = [...world.ledger.owners.values()].flatMap(({ delivered }) => [...delivered.keys()]).length;
  return { calls, steps: steps.length, containers, artifacts: world.ledger.artifacts.size };
}

/** Ends outages and suspensions. Then the replicas report. */
async function endTrouble(world: World): Promise<void> {
  world.setOutage('none');
  for (const index of world.replicas.keys()) {
    await world.resume(index, 0);
    await report(world, index);
  }
}
