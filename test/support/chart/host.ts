import { KubernetesWorker, type KubernetesWorkerOptions } from '../../../src/index.ts';
import { shellImage } from '../real-cluster.ts';
import type { Release } from './release.ts';

/**
 * Opens the worker of a release, as a host does. It has no loops of its own: the service reaps and
 * sends heartbeats.
 */
export async function openHost(
  release: Release,
  options: Partial<KubernetesWorkerOptions> = {},
): Promise<KubernetesWorker> {
  return await KubernetesWorker.open({
    name: release.name,
    namespace: release.namespace,
    kubeConfig: release.kubeconfigPath,
    database: release.database.url,
    volumeImage: shellImage,
    ...options,
  });
}
