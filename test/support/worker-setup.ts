import { randomUUID } from 'node:crypto';

import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';

import { type Database, KubernetesWorker, type KubernetesWorkerOptions } from '../../src/index.ts';
import type { WorkerSetup } from '../contract/worker/setup.ts';

/** The cluster and database of a suite of the worker. */
export interface ClusterUnderTest {
  readonly kubeconfigPath: string;
  /** The credentials of the workers. @defaultValue those of the kubeconfig */
  readonly account?: KubeConfig | undefined;
  readonly namespace: string;
  readonly database: Database;
  readonly image: string;
  readonly missingImage: string;
  readonly options?: Partial<KubernetesWorkerOptions> | undefined;
}

/** Below the time-out of a test, which then fails with the state of the pod that did not start. */
export const reportedInTime = { schedulingTimeoutMs: 90_000, startTimeoutMs: 90_000 } as const;

/** Returns a setup. All its workers share one name, which is unique to the suite. */
export function workerSetup(
  under: ClusterUnderTest,
): WorkerSetup & { openWith(options: Partial<KubernetesWorkerOptions>): Promise<KubernetesWorker> } {
  const { kubeconfigPath, account = kubeconfigPath, namespace, database, image, missingImage, options } = under;
  const name = `test-${randomUUID()}`;
  const config = new KubeConfig();
  config.loadFromFile(kubeconfigPath);
  const api = config.makeApiClient(CoreV1Api);
  const labelSelector = `kubernetes-worker/worker=${name}`;
  const openWith = (more: Partial<KubernetesWorkerOptions>): Promise<KubernetesWorker> =>
    KubernetesWorker.open({
      name,
      kubeConfig: account,
      namespace,
      database,
      volumeImage: image,
      ...reportedInTime,
      ...options,
      ...more,
    });
  return {
    image,
    missingImage,
    open: () => openWith({}),
    openWith,
    podNames: async () =>
      (await api.listNamespacedPod({ namespace, labelSelector })).items.map((pod) => pod.metadata?.name ?? ''),
    podJson: async (podName) => JSON.stringify(await api.readNamespacedPod({ name: podName, namespace })),
    createSecret: async (secretName, stringData) => {
      await api.createNamespacedSecret({ namespace, body: { metadata: { name: secretName }, stringData } });
    },
    copyPod: async (podName, handle) => {
      const { metadata } = await api.readNamespacedPod({ name: podName, namespace });
      const labels = { ...metadata?.labels, 'kubernetes-worker/handle': handle };
      const spec = { containers: [{ name: 'main', image }], terminationGracePeriodSeconds: 0 };
      await api.createNamespacedPod({ namespace, body: { metadata: { name: `unknown-${handle}`, labels }, spec } });
    },
    deletePod: async (podName) => {
      await api.deleteNamespacedPod({ name: podName, namespace });
      for (;;) {
        const { items } = await api.listNamespacedPod({ namespace, fieldSelector: `metadata.name=${podName}` });
        if (items.length === 0) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
  };
}
