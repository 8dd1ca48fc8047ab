import type { CacheState, Snapshot } from '../system/snapshot.ts';
import type { World } from '../system/world.ts';

/**
 * A key has one cache, and it is a live volume. The cache of a resource stays: another volume takes its
 * place only after it was invalidated, has expired or has lost its bytes. That of a task is replaced by
 * the next one.
 */
export function checkCaches(world: World, before: Snapshot, caller: string): void {
  const { snapshot, ledger } = world;
  const now = new Map<string, CacheState>();
  for (const cache of snapshot.caches) {
    const key = cacheKeyOf(cache);
    if (now.has(key)) world.fail(`${key} has two caches: ${now.get(key)?.volume ?? ''} and ${cache.volume}`);
    now.set(key, cache);
    const artifact = ledger.artifacts.get(cache.volume);
    if (artifact !== undefined) artifact.wasCache = true;
  }
  for (const cache of before.caches) {
    const key = cacheKeyOf(cache);
    const successor = now.get(key);
    if (successor?.volume === cache.volume || mayEnd(world, before, cache)) continue;
    // A task's cache that a container could not be filled from is dropped.
    const isDropped = cache.kind === 'task' && ledger.failedTransfers.has(caller);
    if (successor === undefined && !isDropped && !ledger.cache(key).isInvalidated)
      world.fail(`${caller}: the cache of ${key} ends`);
    if (successor !== undefined && cache.kind === 'resource')
      world.fail(`${caller}: ${successor.volume} replaces ${cache.volume}, the first cache of ${key}`);
  }
}

/** Whether the volume of a cache has expired, was ended by a host, or has lost its bytes. */
function mayEnd({ ledger, database, pods }: World, { volumes }: Snapshot, { volume }: CacheState): boolean {
  const row = volumes.find(({ handle }) => handle === volume);
  if (row?.state !== 'created' || (row.dueAt ?? Infinity) <= database.now) return true;
  if (ledger.artifacts.get(volume)?.isExpired === true) return true;
  return row.archive === null && !pods.existing.some(({ handle }) => handle === volume);
}

/** Returns the kind and the text of a key. */
export function cacheKeyOf({ kind, key }: Pick<CacheState, 'kind' | 'key'>): string {
  return `${kind} ${key}`;
}

/** The volume of the last call that was acknowledged is the cache of its key. */
export function checkLastCache(world: World, key: string, digest: string): void {
  const { snapshot, database, pods } = world;
  const cache = snapshot.caches.find((each) => cacheKeyOf(each) === key);
  if (cache === undefined) return;
  const row = snapshot.volumes.find(({ handle }) => handle === cache.volume);
  if (row?.state !== 'created' || (row.dueAt ?? Infinity) <= database.now) return;
  if (row.archive === null && !pods.existing.some(({ handle }) => handle === cache.volume)) return;
  if (row.digest !== digest) world.fail(`the cache of ${key} has ${row.digest ?? 'none'}, its last finisher ${digest}`);
}
