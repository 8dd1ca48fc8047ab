import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { EmbeddedCluster } from 'kubernetes-worker/embedded';

import type { DemoOptions } from './options.ts';

/** The demo's cluster. It counts the pods that the worker has left. */
export interface DemoCluster extends AsyncDisposable {
  readonly description: string;
  readonly kubeconfigPath: string;
  countPods(workerName: string): Promise<number>;
}

/** Opens the cluster of the given kubeconfig, or starts an embedded one that ends with the demo. */
export async function openCluster({ kubeconfig, namespace }: DemoOptions): Promise<DemoCluster> {
  if (kubeconfig !== undefined) {
    const countPods = (workerName: string): Promise<number> => podsOf(workerName, kubeconfig, namespace);
    return { description: kubeconfig, kubeconfigPath: kubeconfig, countPods, [Symbol.asyncDispose]: async () => {} };
  }
  const embedded = await EmbeddedCluster.start();
  return {
    description: `embedded at ${embedded.url}, ${embedded.isolation}`,
    kubeconfigPath: embedded.kubeconfigPath,
    countPods: (workerName) => podsOf(workerName, embedded.kubeconfigPath, undefined),
    [Symbol.asyncDispose]: () => embedded.close(),
  };
}

async function podsOf(workerName: string, kubeconfigPath: string, namespaceGiven: string | undefined): Promise<number> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfigPath);
  const namespace = namespaceGiven ?? config.getContextObject(config.getCurrentContext())?.namespace ?? 'default';
  const labelSelector = `kubernetes-worker/worker=${workerName}`;
  return (await config.makeApiClient(CoreV1Api).listNamespacedPod({ namespace, labelSelector })).items.length;
}
