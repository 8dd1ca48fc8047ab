import { KubernetesWorkerError } from '../errors/base.ts';

/**
 * The API server has discarded the version from which a watch continues (410). Never leaves the
 * library: the watching code lists again.
 */
export class WatchExpiredError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_WATCH_EXPIRED';

  constructor(resourceVersion: string, detail: string) {
    super(`version ${resourceVersion} is too old to watch from: ${detail}`, true);
  }
}
