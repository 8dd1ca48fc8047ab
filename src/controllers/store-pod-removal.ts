import type { AbortOptions, Logger } from '../runtime/options.ts';
import type { PodRemoval } from './reaper-components.ts';

export interface StorePodRemovalComponents {
  readonly workerName: string;
  readonly pods: Pick<PodRemoval, 'list' | 'remove'>;
  readonly logger: Logger;
}

/**
 * Deletes the store pods of a worker without a row. They have no row either, and no reaper of that
 * worker runs any longer. Logs a failure: the reaper of another worker, and a later `reap`, delete
 * them.
 */
export async function removeStorePods(
  { workerName, pods, logger }: StorePodRemovalComponents,
  { signal }: AbortOptions,
): Promise<void> {
  try {
    const listed = await pods.list({ signal });
    const own = listed.filter((pod) => pod.isStore && pod.workerName === workerName);
    await Promise.all(own.map(({ podName, handle, uid }) => pods.remove(podName, handle, { uid, signal })));
  } catch (error) {
    signal?.throwIfAborted();
    logger.warn('store pods of a retired worker not deleted', { workerName, error });
  }
}
