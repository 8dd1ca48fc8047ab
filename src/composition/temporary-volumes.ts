import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import type { Repository } from '../repository/repository.ts';
import type { TemporaryVolumeComponents } from '../stores/temporary-volume.ts';

export type WorkerVolumesComponents = Omit<
  TemporaryVolumeComponents,
  'volumes' | 'caches' | 'copyExpiryMs' | 'retry'
> & {
  readonly repository: Repository;
  readonly pods: Pick<PodSupervisor, 'retry'>;
};

/** How long a copy of a volume stays whose host has died. Its host renews it. */
const copyExpiryMs = 15 * 60 * 1000;

/** Composes what creates the volumes of a worker that belong to no container. */
export function temporaryVolumes({
  repository,
  pods,
  ...components
}: WorkerVolumesComponents): TemporaryVolumeComponents {
  return {
    ...components,
    volumes: repository.volumes,
    caches: repository.caches,
    copyExpiryMs,
    retry: (work, options) => pods.retry(work, options),
  };
}
