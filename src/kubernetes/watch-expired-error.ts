import { KubernetesWorkerError } from '../errors/base.ts';

/**
 * The API server no longer knows the version that a watch is to continue from (410). Never leaves the library: who watches, lists again.
 */
export class WatchExpiredError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_WATCH_EXPIRED';

  constructor(resourceVersion: string, detail: string) {
    super(`version ${resourceVersion} is too old to watch from: ${detail}`, true);
  }
}
