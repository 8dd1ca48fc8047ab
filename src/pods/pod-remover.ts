import { PodFailedError } from '../errors/pod.ts';
import { Semaphore } from '../internal/semaphore.ts';
import { TookTooLong, within } from '../internal/within.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { handleOf } from '../kubernetes/pod-spec/labels.ts';
import type { PodWatch } from '../kubernetes/pod-state/pod-watch.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';
import type { AgentPool } from './agent-pool.ts';

export interface PodRemoverComponents {
  readonly cluster: Cluster;
  /** Selects the pods of the worker. */
  readonly labelSelector: string;
  readonly watch: Pick<PodWatch, 'observe'>;
  readonly agents: Pick<AgentPool, 'forget'>;
  readonly clock: Clock;
}

/** A pod with the labels of the worker. */
export interface LabelledPod {
  readonly podName: string;
  /** The handle of the container or volume that the pod was created for. */
  readonly handle: string;
  readonly uid: string;
}

export interface PodDeletion extends AbortOptions {
  /** @defaultValue the uid of the pod whose label has the handle */
  readonly uid?: string | undefined;
  /** @defaultValue the pod's own */
  readonly gracePeriodSeconds?: number | undefined;
}

/** Longer than any grace period that the library gives its pods. */
const removalTimeoutMs = 45_000;
/** How many deletions are sent concurrently. Any number of pods may be ending. */
const maxConcurrentCalls = 20;

/** Deletes pods and waits until they no longer exist. */
export class PodRemover {
  readonly #components: PodRemoverComponents;
  readonly #calls = new Semaphore(maxConcurrentCalls);

  constructor(components: PodRemoverComponents) {
    this.#components = components;
  }

  /** Implements `PodRemoval.list`. */
  async list(options: AbortOptions = {}): Promise<readonly LabelledPod[]> {
    const { cluster, labelSelector } = this.#components;
    const { pods } = await cluster.listPods(labelSelector, options);
    return pods.flatMap(({ metadata }) => {
      const { name: podName, uid, deletionTimestamp } = metadata ?? {};
      const handle = handleOf(metadata);
      const isWhole = podName !== undefined && uid !== undefined && handle !== undefined;
      return isWhole && deletionTimestamp === undefined ? [{ podName, handle, uid }] : [];
    });
  }

  /** Implements `PodRemoval.remove`. Without a known uid, the pod's label identifies its handle. */
  async remove(
    podName: string,
    handle: string,
    { signal, ...known }: AbortOptions & { readonly uid?: string | undefined } = {},
  ): Promise<boolean> {
    const uid = await this.delete(podName, handle, { ...known, signal });
    if (uid === undefined) return false;
    await this.#whenGone(podName, uid, { signal });
    return true;
  }

  /** Resolves when no pod of this name and uid exists. */
  async #whenGone(podName: string, uid: string, { signal }: AbortOptions): Promise<void> {
    const { cluster, watch, clock } = this.#components;
    const observe = async (observing: AbortSignal): Promise<void> => {
      for await (const pod of watch.observe(podName, { signal: observing })) if (pod?.metadata?.uid !== uid) return;
    };
    try {
      await within(removalTimeoutMs, clock, observe, signal);
    } catch (error) {
      if (!(error instanceof TookTooLong)) throw error;
      const detail = `still exists ${removalTimeoutMs} ms after its deletion`;
      throw new PodFailedError({ namespace: cluster.namespace, podName, detail });
    }
  }

  /**
   * Deletes the pod of this handle, and does not wait for its end. Returns the pod's uid, or
   * `undefined` if the pod does not exist. Keeps a pod of this name that belongs to another handle.
   */
  async delete(
    podName: string,
    handle: string,
    { signal, gracePeriodSeconds, ...known }: PodDeletion = {},
  ): Promise<string | undefined> {
    const { cluster, agents } = this.#components;
    const release = await this.#calls.acquire({ signal });
    try {
      const uid = known.uid ?? (await this.#findUid(podName, handle, { signal }));
      if (uid === undefined) return undefined;
      agents.forget(podName);
      return (await cluster.deletePod(podName, { uid, gracePeriodSeconds, signal })) ? uid : undefined;
    } finally {
      release();
    }
  }

  async #findUid(podName: string, handle: string, options: AbortOptions): Promise<string | undefined> {
    const pod = await this.#components.cluster.getPod(podName, options);
    return handleOf(pod?.metadata) === handle ? pod?.metadata?.uid : undefined;
  }
}
