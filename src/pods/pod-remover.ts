import { PodFailedError } from '../errors/pod.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { markOf } from '../kubernetes/pod-spec/labels.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';
import type { AgentPool } from './agent-pool.ts';

export interface PodRemoverComponents {
  readonly cluster: Cluster;
  readonly agents: AgentPool;
  readonly clock: Clock;
}

/** Longer than any grace period that the library gives its pods. */
const removalTimeoutMs = 45_000;
const pollMs = 150;

/** Deletes pods and waits until they no longer exist. */
export class PodRemover {
  readonly #components: PodRemoverComponents;

  constructor(components: PodRemoverComponents) {
    this.#components = components;
  }

  /** Implements `PodRemoval.remove`. Without a known uid, the pod's label identifies its handle. */
  async remove(
    podName: string,
    handle: string,
    { signal, ...known }: AbortOptions & { readonly uid?: string | undefined } = {},
  ): Promise<boolean> {
    const { cluster, agents, clock } = this.#components;
    const uid = known.uid ?? (await this.#findUid(podName, handle, { signal }));
    if (uid === undefined) return false;
    agents.forget(podName);
    if (!(await cluster.deletePod(podName, { uid, signal }))) return false;
    const startedAt = clock.now();
    for (;;) {
      const pod = await cluster.getPod(podName, { signal });
      if (pod?.metadata?.uid !== uid) return true;
      if (clock.now() - startedAt > removalTimeoutMs) {
        throw new PodFailedError({
          namespace: cluster.namespace,
          podName,
          detail: `still exists ${removalTimeoutMs} ms after its deletion`,
        });
      }
      await clock.sleep(pollMs, { signal });
    }
  }

  async #findUid(podName: string, handle: string, options: AbortOptions): Promise<string | undefined> {
    const pod = await this.#components.cluster.getPod(podName, options);
    return markOf(pod?.metadata, 'handle') === handle ? pod?.metadata?.uid : undefined;
  }
}
