import { Caches, type CachesComponents } from '../caches/caches.ts';
import { cacheMetrics } from '../telemetry/cache-metrics.ts';
import { temporaryVolumes, type WorkerVolumesComponents } from './temporary-volumes.ts';

type WorkerCachesComponents = WorkerVolumesComponents &
  Pick<CachesComponents, 'stores' | 'timeToLiveMs' | 'archives' | 'maxKeyBytes' | 'emit' | 'reapSoon'>;

/** Composes the caches of a worker. */
export function composeCaches({
  stores,
  timeToLiveMs,
  archives,
  maxKeyBytes,
  emit,
  reapSoon,
  ...components
}: WorkerCachesComponents): Caches {
  const { caches } = components.repository;
  const own = { caches, stores, timeToLiveMs, archives, maxKeyBytes, observer: cacheMetrics(), emit, reapSoon };
  return new Caches({ ...temporaryVolumes(components), ...own });
}
