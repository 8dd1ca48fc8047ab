import { PodFailedError } from '../errors/pod.ts';
import type { EmitEvent } from '../events/emit-event.ts';
import { Semaphore } from '../internal/semaphore.ts';
import { TookTooLong, within } from '../internal/within.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { handleOf, isOfHandle, storeClaimOf, workerOf } from '../kubernetes/pod-spec/labels.ts';
import type { PodWatch } from '../kubernetes/pod-state/pod-watch.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import type { AgentPool } from './agent-pool.ts';

export interface PodRemoverComponents {
  readonly cluster: Cluster;
  /** Selects the pods of the installation. */
  readonly installationSelector: string;
  readonly watch: Pick<PodWatch, 'observe'>;
  readonly agents: Pick<AgentPool, 'forget'>;
  readonly clock: Clock;
  readonly emit: EmitEvent;
  readonly tracing: Tracing;
}

/** A pod with the labels of the installation. */
export interface LabelledPod {
  /** The name of the worker that created the pod. */
  readonly workerName: string;
  readonly podName: string;
  /** The handle of the container or volume that the pod was created for. */
  readonly handle: string;
  readonly uid: string;
  /** Whether it is a store pod: it has no row, and its handle is its name. */
  readonly isStore: boolean;
}

/** A pod that may not exist. */
export interface PodIdentity {
  readonly podName: string;
  /** @defaultValue that of any pod with this name */
  readonly uid?: string | undefined;
}

export interface PodDeletion extends AbortOptions {
  /** @defaultValue the uid of the pod of this name, if it is that of the handle */
  readonly uid?: string | undefined;
  /** @defaultValue the pod's own */
  readonly gracePeriodSeconds?: number | undefined;
}

/** Longer than any grace period that the library gives its pods. */
const removalTimeoutMs = 45_000;
/** How many deletions are sent concurrently. Any number of pods may be ending. */
const maxConcurrentCalls = 20;
/**
 * For fewer pods, each is read. On a small cluster the list of a few pods took as long as two reads,
 * and a page of 500 pods as long as 15 to 25.
 */
const fewestForList = 5;
/** How many pods a list may have for each read that it replaces. */
const podsPerRead = 25;

/** Deletes pods and waits until they no longer exist. */
export class PodRemover {
  readonly #components: PodRemoverComponents;
  readonly #calls = new Semaphore(maxConcurrentCalls);
  /** The number of pods in the last list: at least so many are in the namespace. */
  #listed = 0;

  constructor(components: PodRemoverComponents) {
    this.#components = components;
  }

  /** Implements `PodRemoval.list`. */
  async list({ signal }: AbortOptions = {}): Promise<readonly LabelledPod[]> {
    const { cluster, installationSelector: labelSelector } = this.#components;
    const listed = await cluster.listPodMetadata({ labelSelector, signal });
    this.#listed = Math.max(this.#listed, listed.length);
    return listed.flatMap((metadata) => {
      const { name: podName, uid, deletionTimestamp } = metadata;
      const isStore = storeClaimOf(metadata) !== undefined;
      const [handle, workerName] = [isStore ? podName : handleOf(metadata), workerOf(metadata)];
      const isWhole = handle !== undefined && workerName !== undefined;
      return isWhole && deletionTimestamp === undefined ? [{ podName, workerName, handle, uid, isStore }] : [];
    });
  }

  /**
   * Implements `PodRemoval.findMissing`: one list of all pods of the namespace shows for each whether
   * it exists. The list is not filtered by labels, which any client may remove. A list of many pods
   * costs more than the reads of a few: then it returns `false` for each.
   */
  async findMissing(pods: readonly PodIdentity[], { signal }: AbortOptions = {}): Promise<readonly boolean[]> {
    const { cluster, agents } = this.#components;
    if (pods.length < Math.max(fewestForList, this.#listed / podsPerRead)) return pods.map(() => false);
    const listed = await cluster.listPodMetadata({ signal });
    this.#listed = listed.length;
    const uids = new Map(listed.map(({ name, uid }) => [name, uid]));
    return pods.map(({ podName, uid }) => {
      const existing = uids.get(podName);
      if (existing === undefined) agents.forget(podName);
      return existing === undefined || (uid !== undefined && existing !== uid);
    });
  }

  /** Implements `PodRemoval.remove`. Without a known uid, the pod must be that of the handle. */
  async remove(
    podName: string,
    handle: string,
    { signal, ...known }: AbortOptions & { readonly uid?: string | undefined } = {},
  ): Promise<boolean> {
    return await this.#traced(podName, handle, { signal }, async () => {
      const uid = await this.#delete(podName, handle, { ...known, signal });
      if (uid === undefined) return false;
      await this.#whenGone(podName, uid, { signal });
      this.#components.emit({ kind: 'capacity-released', by: 'pod', name: podName });
      return true;
    });
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
  async delete(podName: string, handle: string, deletion: PodDeletion = {}): Promise<string | undefined> {
    return await this.#traced(podName, handle, deletion, () => this.#delete(podName, handle, deletion));
  }

  async #traced<T>(
    podName: string,
    containerHandle: string,
    { signal }: AbortOptions,
    work: () => Promise<T>,
  ): Promise<T> {
    return await this.#components.tracing.span('pod.delete', { podName, containerHandle }, work, { signal });
  }

  async #delete(
    podName: string,
    handle: string,
    { signal, gracePeriodSeconds, ...known }: PodDeletion,
  ): Promise<string | undefined> {
    const { cluster, agents, emit } = this.#components;
    const release = await this.#calls.acquire({ signal });
    try {
      const uid = known.uid ?? (await this.#findUid(podName, handle, { signal }));
      if (uid === undefined) return undefined;
      agents.forget(podName);
      if (!(await cluster.deletePod(podName, { uid, gracePeriodSeconds, signal }))) return undefined;
      emit({ kind: 'pod-deleted', podName, handle });
      return uid;
    } finally {
      release();
    }
  }

  async #findUid(podName: string, handle: string, options: AbortOptions): Promise<string | undefined> {
    const pod = await this.#components.cluster.getPod(podName, options);
    return isOfHandle(pod?.metadata, handle) ? pod?.metadata?.uid : undefined;
  }
}
