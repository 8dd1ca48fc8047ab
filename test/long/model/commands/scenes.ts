import { leaseMs } from '../system/replica.ts';
import type { World } from '../system/world.ts';
import { performFault } from './faults.ts';
import { performCall } from './host-calls.ts';
import type { FaultySweep, Overtaking, RaceForCache, Step, StreamInTheWay } from './steps.ts';
import { artifactOf, expire, streamOut, volumeOf } from './volume-calls.ts';

/** Performs several steps that are rare in this order otherwise. Returns `false` for another step. */
export async function performScene(world: World, step: Step): Promise<boolean> {
  switch (step.do) {
    case 'overtake':
      await overtake(world, step);
      return true;
    case 'sweep with faults':
      await sweep(world, step);
      return true;
    case 'sweep during a stream':
      await sweepDuringStream(world, step);
      return true;
    case 'race for a cache':
      await raceForCache(world, step);
      return true;
    case 'make an artifact':
      await performCall(world, { do: 'create a volume', replica: step.replica });
      await advance(world, 10);
      await performCall(world, { ...step, do: 'stream in', volume: world.ledger.artifacts.size - 1 });
      await advance(world, 6);
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
  await performCall(world, { do: 'finish', replica, owner, how: 'for now' });
  await advance(world, 2);
  await performCall(world, { do: 'sweep', replica });
  // The newest calls are those of the sweep.
  for (const outcome of outcomes) await world.release(Math.max(0, world.gate.ready.length - 1), outcome);
}

async function sweepDuringStream(world: World, { replica, owner, volume, before }: StreamInTheWay): Promise<void> {
  const [artifact] = artifactOf(world, volume) ?? [];
  await streamOut(world, replica, artifact ?? volumeOf(world, volume));
  await advanceOne(world, replica, 6);
  await expire(world, replica + 1, artifact);
  if (artifact === undefined) await performCall(world, { do: 'finish', replica: replica + 1, owner, how: 'for now' });
  await advanceOne(world, replica + 1, 2);
  await performCall(world, { do: 'sweep', replica: replica + 1 });
  await advanceOne(world, replica + 1, before);
}

async function raceForCache(world: World, { volume, key, picks }: RaceForCache): Promise<void> {
  await performCall(world, { do: 'keep a resource cache', replica: 0, volume, key });
  await performCall(world, { do: 'keep a resource cache', replica: 1, volume: volume + 1, key });
  for (const pick of picks) await world.release(Math.max(0, world.gate.ready.length - 1 - (pick % 2)));
}

/** Lets calls of one replica through, the oldest first. */
async function advanceOne(world: World, replica: number, calls: number): Promise<void> {
  const { id } = world.replica(replica);
  for (let call = 0; call < calls; call += 1) {
    const ready = world.gate.ready.findIndex(({ caller }) => caller === id);
    if (ready < 0) return;
    await world.release(ready);
  }
}
