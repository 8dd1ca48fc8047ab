import type { World } from '../system/world.ts';
import { performFault } from './faults.ts';
import { performCall } from './host-calls.ts';
import { performScene } from './scenes.ts';
import type { Step } from './steps.ts';

/** Performs one step. Rejects with the `Violation` of a property. */
export async function perform(world: World, step: Step): Promise<void> {
  if (step.do === 'deliver') {
    for (const pick of step.picks) await world.release(pick);
    await world.pass(50);
    return;
  }
  if (await performFault(world, step)) return;
  if (await performScene(world, step)) return;
  await performCall(world, step);
}
