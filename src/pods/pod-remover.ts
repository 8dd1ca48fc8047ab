import { PodFailedError } from '../errors/pod.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';
import type { AgentPool } from './agent-pool.ts';

/** What removing pods needs. */
export interface PodRemoverComponents {
  readonly cluster: Cluster;
  readonly agents: AgentPool;
  readonly clock: Clock;
}

/** Longer than any grace period that the library gives its pods. */
const removalTimeoutMs = 45_000;
const pollMs = 150;

/** Deletes pods and waits until they are gone. */
export class PodRemover {
  readonly #components: PodRemoverComponents;

  constructor(components: PodRemoverComponents) {
    this.#components = components;
  }

  /** As `PodRemoval.remove` says. A pod of the same name with another uid is not ours and stays. */
  async remove(podName: string, { uid, signal }: AbortOptions & { readonly uid?: string | undefined } = {}): Promise<boolean> {
    const { cluster, agents, clock } = this.#components;
    agents.forget(podName);
    if (!(await cluster.deletePod(podName, { uid, signal }))) return false;
    const startedAt = clock.now();
    for (;;) {
      const pod = await cluster.getPod(podName, { signal });
      if (pod === undefined || (uid !== undefined && pod.metadata?.uid !== uid)) return true;
      if (clock.now() - startedAt > removalTimeoutMs) {
        throw new PodFailedError({ namespace: cluster.namespace, podName, detail: `still there ${removalTimeoutMs} ms after its deletion` });
      }
      await clock.sleep(pollMs, { signal });
    }
  }
}
