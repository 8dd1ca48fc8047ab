import { leaseMs } from '../system/replica.ts';
import type { World } from '../system/world.ts';
import { performFault } from './faults.ts';
import { performCall } from './host-calls.ts';
import type { FaultySweep, Overtaking, Step } from './steps.ts';

/** Performs several steps that are rare in this order otherwise. Returns `false` for another step. */
export async function performScene(world: World, step: Step): Promise<boolean> {
  switch (step.do) {
    case 'overtake':
      await overtake(world, step);
      return true;
    case 'sweep with faults':
      await sweep(world, step);
      return true;
    case 'build':
      await performCall(world, { ...step, do: 'create', spec: 0 });
      await advance(world, 20);
      await performCall(world, { ...step, do: 'run' });
      await advance(world, 8);
      return true;
    default:
      return false;
  }
}

/** Lets calls through in their order, and a little time pass. */
async function advance(world: World, calls: number): Promise<void> {
  for (let call = 0; call < calls; call += 1) {
    await world.release(0);
    if (call % 4 === 3) await world.pass(100);
  }
}

async function overtake(world: World, { replica, owner, before, between, answers }: Overtaking): Promise<void> {
  await performCall(world, { do: 'create', replica, owner, spec: 0 });
  await advance(world, before);
  world.suspend(replica);
  await world.pass(leaseMs + 1_000);
  await performCall(world, { do: 'create', replica: replica + 1, owner, spec: 0 });
  await advance(world, between);
  await performFault(world, { do: 'resume', replica, answers });
}

async function sweep(world: World, { replica, owner, outcomes }: FaultySweep): Promise<void> {
  await performCall(world, { do: 'finish', replica, owner, final: false });
  await advance(world, 2);
  await performCall(world, { do: 'sweep', replica });
  // The newest calls are those of the sweep.
  for (const outcome of outcomes) await world.release(Math.max(0, world.gate.ready.length - 1), outcome);
}
