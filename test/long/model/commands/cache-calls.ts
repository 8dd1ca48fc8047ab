import { taskCacheKey } from '../../../../src/caches/cache-keys.ts';
import { cacheKeyOf, checkLastCache } from '../invariants/caches.ts';
import { workerName } from '../system/replica.ts';
import type { World } from '../system/world.ts';
import type { Step } from './steps.ts';
import { volumeOf } from './volume-calls.ts';

/** The step of all containers, whose caches they share. */
export const taskStep = { job: 'job', step: 'step' };
/** Where the containers mount their cache. */
export const cachePath = '/cache';

const taskKey = { ...taskStep, path: cachePath };

/** Begins a call of a host on a cache. Returns `false` for another step. */
export async function performCacheCall(world: World, step: Step): Promise<boolean> {
  switch (step.do) {
    case 'keep a task cache':
      await keepTaskCache(world, step.replica, step.volume);
      return true;
    case 'keep a resource cache':
      await keepResourceCache(world, step.replica, resourceKey(step.key), step.volume);
      return true;
    case 'use a resource cache':
      await useResourceCache(world, step.replica, resourceKey(step.key));
      return true;
    case 'invalidate a resource cache':
      await invalidate(world, step.replica, resourceKey(step.key));
      return true;
    default:
      return false;
  }
}

function resourceKey(index: number): string {
  return `version ${index}`;
}

/** The text of the key of all containers' caches. */
function taskCacheText(): string {
  return cacheKeyOf(taskCacheKey(workerName, taskKey));
}

async function keepTaskCache(world: World, replica: number, pick: number): Promise<void> {
  const handle = volumeOf(world, pick);
  if (handle === undefined) return;
  const ledger = world.ledger.cache(taskCacheText());
  await world.begin(replica, `keep ${handle} as the task cache`, async (worker) => {
    const volume = await worker.lookupVolume(handle);
    if (volume === undefined) return;
    const artifact = world.ledger.artifacts.get(handle);
    const digest = artifact?.isUncertain === false ? artifact.acknowledged : undefined;
    const begun = (ledger.begun += 1);
    ledger.unsettled += 1;
    await volume.initializeTaskCache(taskKey);
    ledger.unsettled -= 1;
    const isUnchanged = artifact?.isUncertain === false && artifact.acknowledged === digest;
    const isLast = ledger.unsettled === 0 && ledger.begun === begun;
    if (isLast && isUnchanged && digest !== undefined) checkLastCache(world, taskCacheText(), digest);
  });
}

async function keepResourceCache(world: World, replica: number, key: string, pick: number): Promise<void> {
  const handle = volumeOf(world, pick);
  if (handle === undefined) return;
  await world.begin(replica, `keep ${handle} as the cache of ${key}`, async (worker) => {
    const volume = await worker.lookupVolume(handle);
    await volume?.initializeResourceCache(key);
  });
}

async function useResourceCache(world: World, replica: number, key: string): Promise<void> {
  await world.begin(replica, `use the cache of ${key}`, async (worker) => {
    const volume = await worker.findResourceCache(key);
    if (volume === undefined) return;
    await world.read(await volume.streamOut('.'), `the cache of ${key}`);
  });
}

async function invalidate(world: World, replica: number, key: string): Promise<void> {
  const ledger = world.ledger.cache(cacheKeyOf({ kind: 'resource', key }));
  await world.begin(replica, `invalidate the cache of ${key}`, async (worker) => {
    ledger.isInvalidated = true;
    await worker.invalidateResourceCache(key, { graceMs: 1_000 });
  });
}
