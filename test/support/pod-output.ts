import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import type { CoreV1Api } from '@kubernetes/client-node';

import { shellImage } from './real-cluster.ts';

/** Runs a script in a pod that has a claim at `/claim`, and returns what it prints. */
export async function podOutput(
  api: CoreV1Api,
  namespace: string,
  { claim, script }: { readonly claim: string; readonly script: string },
): Promise<string> {
  const name = `script-${randomUUID()}`;
  await api.createNamespacedPod({
    namespace,
    body: {
      metadata: { name },
      spec: {
        restartPolicy: 'Never',
        automountServiceAccountToken: false,
        containers: [
          {
            name: 'main',
            image: shellImage,
            command: ['sh', '-ec', script],
            volumeMounts: [{ name: 'claim', mountPath: '/claim' }],
          },
        ],
        volumes: [{ name: 'claim', persistentVolumeClaim: { claimName: claim } }],
      },
    },
  });
  try {
    for (;;) {
      const { status } = await api.readNamespacedPod({ name, namespace });
      if (status?.phase === 'Succeeded') return await api.readNamespacedPodLog({ name, namespace });
      if (status?.phase === 'Failed') throw new Error(`the script failed: ${script}`);
      await sleep(200);
    }
  } finally {
    await api.deleteNamespacedPod({ name, namespace, gracePeriodSeconds: 0 });
  }
}
