import { Caches, type CachesComponents } from './caches/caches.ts';
import { temporaryVolumes, type WorkerVolumesComponents } from './worker-volumes.ts';

type WorkerCachesComponents = WorkerVolumesComponents & Pick<CachesComponents, 'stores' | 'timeToLiveMs' | 'reapSoon'>;

/** Composes the caches of a worker. */
export function composeCaches({ stores, timeToLiveMs, reapSoon, ...components }: WorkerCachesComponents): Caches {
  const { caches } = components.repository;
  return new Caches({ ...temporaryVolumes(components), caches, stores, timeToLiveMs, reapSoon });
}
