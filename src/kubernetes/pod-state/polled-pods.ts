import type { Clock } from '../../runtime/options.ts';
import type { Cluster } from '../cluster.ts';
import type { PodWatchOptions } from './pod-watch.ts';

/** The interval of lists while a pod is observed. */
export const pollMs = 1_000;

/**
 * Returns the options of a pod watch for credentials that may list pods, but not watch them. It
 * lists at an interval while pods are observed, and sends no request otherwise.
 */
export function polling(options: PodWatchOptions): PodWatchOptions {
  const { cluster, clock } = options;
  // Each list follows the end of a watch.
  const observer = options.observer && { ...options.observer, restarted: () => undefined };
  return { ...options, cluster: polledPods(cluster, clock), idleMs: 0, goodWatchMs: pollMs, observer };
}

/**
 * Returns a cluster whose watches report nothing and end after the interval, as a server may end a
 * watch at any time. The list that follows each end has the changes.
 */
function polledPods(cluster: Pick<Cluster, 'listPods' | 'getPod'>, clock: Clock): PodWatchOptions['cluster'] {
  return {
    listPods: (labelSelector, options) => cluster.listPods(labelSelector, options),
    getPod: (name, options) => cluster.getPod(name, options),
    watchPods: async function* (_labelSelector, _resourceVersion, { signal } = {}) {
      await clock.sleep(pollMs, { signal });
      yield* [];
    },
  };
}
