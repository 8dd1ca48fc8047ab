import { blameFor } from '../../caches/cache-failure.ts';
import type { VolumeRecord } from '../../repository/records.ts';
import type { TaskCacheKey } from '../../runtime/caches.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { ContainerCreationComponents, Creation } from './container-creation.ts';
import { endOfPod } from './end-of-pod.ts';
import { InputProgress } from './input-progress.ts';

/**
 * How many caches of one key are tried. Other hosts may finish the same step and replace the cache.
 */
const attempts = 3;

/**
 * Fills a folder from the task cache of the key, and leaves it empty if there is none. A cache that
 * disappeared or is damaged is dropped and reported, and the next one of the key is tried.
 */
export async function fillCache(
  key: TaskCacheKey,
  folder: VolumeRecord,
  creation: Creation,
  components: ContainerCreationComponents,
  { signal }: AbortOptions,
): Promise<void> {
  const { caches, pods, logger } = components;
  const { path } = key;
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const cache = await pods.retry(() => caches.findTaskCache(key, { signal }), { signal });
    if (cache === undefined) return;
    const { handle } = cache;
    try {
      await fill({ path, folder, cache }, creation, components, { signal });
      return;
    } catch (error) {
      signal?.throwIfAborted();
      const blame = blameFor(error, { cacheHandle: handle, podName: creation.container.podName });
      if (blame === 'container') throw error;
      // Dropped even if the cache may not be the cause, because it must not prevent every later
      // attempt. A cache whose store is unavailable stays for later containers.
      if (blame !== 'store') await pods.retry(() => caches.dropTaskCache(key, handle, { signal }), { signal });
      if (blame === 'either') throw error;
      logger.warn('task cache lost', { path, handle, error });
      creation.progress.cacheLost({ path, handle, message: messageOf(error) });
      if (blame === 'store') return;
    }
  }
}

async function fill(
  { path, folder, cache }: { readonly path: string; readonly folder: VolumeRecord; readonly cache: VolumeRecord },
  { lease, generation, progress }: Creation,
  components: ContainerCreationComponents,
  { signal }: AbortOptions,
): Promise<void> {
  const arrival = new InputProgress({
    input: { path, handle: cache.handle },
    estimatedBytes: cache.sizeBytes,
    clock: components.clock,
    report: (facts) => progress.streamingCache(facts),
  });
  arrival.begin();
  // Another finisher of the step may replace the cache meanwhile.
  const source = components.streams.open([cache.handle]);
  const taking = components.volume(folder).takeFrom(components.volume(cache), {
    signal,
    lease: { holder: lease.holder, generation },
    progress: (bytes) => arrival.received(bytes),
  });
  try {
    const { rawBytes } = await taking;
    arrival.complete(rawBytes);
    components.caches.filledFrom(cache, rawBytes);
  } catch (error) {
    throw endOfPod(error, folder.handle);
  } finally {
    await source.close();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
