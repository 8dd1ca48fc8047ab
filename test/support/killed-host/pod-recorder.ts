import { setTimeout as sleep } from 'node:timers/promises';

import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';

import type { HostWorld } from './order.ts';

/** Records every pod of a worker by polling. */
export class PodRecorder {
  readonly seen: string[] = [];
  readonly #api: CoreV1Api;
  readonly #world: HostWorld;
  readonly #stop = new AbortController();
  readonly #polling: Promise<void>;

  constructor(world: HostWorld) {
    this.#api = apiOf(world);
    this.#world = world;
    this.#polling = this.#poll();
  }

  async list(): Promise<string[]> {
    return await listPods(this.#api, this.#world);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#polling;
  }

  async #poll(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      for (const pod of await this.list()) if (!this.seen.includes(pod)) this.seen.push(pod);
      await sleep(150, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }
}

/** Returns the names and UIDs of the pods of a worker. */
export async function listPods(api: CoreV1Api, { namespace, workerName }: HostWorld): Promise<string[]> {
  const labelSelector = `kubernetes-worker/worker=${workerName}`;
  const { items } = await api.listNamespacedPod({ namespace, labelSelector });
  return items.map(({ metadata }) => `${metadata?.name ?? ''} ${metadata?.uid ?? ''}`);
}

export function apiOf({ kubeconfigPath }: HostWorld): CoreV1Api {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfigPath);
  return config.makeApiClient(CoreV1Api);
}
