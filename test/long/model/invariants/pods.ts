import type { MemoryPod } from '../system/memory-pods.ts';
import type { World } from '../system/world.ts';
import { openStreamOf } from './streams.ts';

/** The library never deletes the pod of a row that is live. */
export function checkDeletion(world: World, { name, uid, handle }: MemoryPod, caller: string): void {
  const { containers, volumes } = world.snapshot;
  const container = containers.find((row) => row.handle === handle);
  if (container !== undefined && isLive(container.state) && (container.podUid ?? uid) === uid)
    world.fail(`${caller} deletes pod ${name}, whose container is ${container.state}`);
  const volume = volumes.find((row) => row.handle === handle);
  if (volume !== undefined && isLive(volume.state))
    world.fail(`${caller} deletes pod ${name}, whose volume is ${volume.state}`);
  const stream = openStreamOf(world, handle);
  if (stream !== undefined && (container?.podUid ?? uid) === uid)
    world.fail(`${caller} deletes pod ${name} during the stream ${stream}`);
}

/** A process ID is started at most once in a container, and a container has one pod with commands. */
export function checkStart(world: World, { uid, handle }: MemoryPod, processId: string): void {
  const { starts } = world.ledger;
  const key = `${handle} ${processId}`;
  if (starts.has(key)) world.fail(`process ${key} is started twice: in ${starts.get(key) ?? ''} and in ${uid}`);
  for (const [other, otherUid] of starts)
    if (other.startsWith(`${handle} `) && otherUid !== uid)
      world.fail(`container ${handle} has commands in two pods: ${other} in ${otherUid}, ${processId} in ${uid}`);
  starts.set(key, uid);
}

function isLive(state: string): boolean {
  return state === 'creating' || state === 'created' || state === 'kept';
}
