import { randomUUID } from 'node:crypto';

import { Caches, type CachesComponents } from './caches/caches.ts';
import type { PodSupervisor } from './pods/pod-supervisor.ts';
import type { Repository } from './repository/repository.ts';

type WorkerCachesComponents = Omit<CachesComponents, 'volumes' | 'caches' | 'newId' | 'copyExpiryMs' | 'retry'> & {
  readonly repository: Repository;
  readonly pods: Pick<PodSupervisor, 'retry'>;
};

/** How long a copy for a cache stays whose host has died. Its host renews it. */
const copyExpiryMs = 15 * 60 * 1000;

/** Composes the caches of a worker. */
export function composeCaches({ repository, pods, ...components }: WorkerCachesComponents): Caches {
  return new Caches({
    ...components,
    volumes: repository.volumes,
    caches: repository.caches,
    newId: randomUUID,
    copyExpiryMs,
    retry: (work, options) => pods.retry(work, options),
  });
}
