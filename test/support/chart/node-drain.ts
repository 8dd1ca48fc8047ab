import { setTimeout as sleep } from 'node:timers/promises';

import { ApiException, type CoreV1Api, type V1Pod } from '@kubernetes/client-node';

/** A node that takes no new pods until the object is disposed. */
export interface CordonedNode extends AsyncDisposable {
  readonly name: string;
}

export async function cordon(api: CoreV1Api, name: string): Promise<CordonedNode> {
  await schedule(api, name, false);
  return { name, [Symbol.asyncDispose]: async () => await schedule(api, name, true) };
}

async function schedule(api: CoreV1Api, name: string, isSchedulable: boolean): Promise<void> {
  for (;;) {
    const body = await api.readNode({ name });
    body.spec ??= {};
    body.spec.unschedulable = !isSchedulable;
    try {
      await api.replaceNode({ name, body });
      return;
    } catch (error) {
      // The kubelet has changed the node meanwhile.
      if (!(error instanceof ApiException) || error.code !== 409) throw error;
    }
  }
}

/** Evicts a pod, as `kubectl drain` does. Rejects with status 429 while a budget forbids it. */
export async function evict(api: CoreV1Api, { metadata }: V1Pod): Promise<void> {
  const [name, namespace] = [metadata?.name ?? '', metadata?.namespace ?? ''];
  await api.createNamespacedPodEviction({ name, namespace, body: { metadata: { name, namespace } } });
}

/** Evicts a pod as soon as its budget permits it. */
export async function evictAtLast(api: CoreV1Api, pod: V1Pod): Promise<void> {
  for (;;) {
    try {
      await evict(api, pod);
      return;
    } catch (error) {
      if (!(error instanceof ApiException) || error.code !== 429) throw error;
      await sleep(200);
    }
  }
}

/** Returns how many of the pods are ready. */
export function readyCount(pods: readonly V1Pod[]): number {
  const isReady = ({ status }: V1Pod): boolean =>
    status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
  return pods.filter(isReady).length;
}
