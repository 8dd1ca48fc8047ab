import { ApiUnavailableError, ConflictError, QuotaExceededError } from '../errors/cluster.ts';
import { PodDeletedError } from '../errors/pod.ts';
import type { Cluster, Pod } from '../kubernetes/cluster.ts';
import { markOf, podMarks } from '../kubernetes/labels.ts';
import type { PodOptions } from '../kubernetes/pod-options.ts';
import { buildPod, type PodRequest } from '../kubernetes/pod-spec.ts';
import type { Architecture, ContainerMetadata } from '../runtime/container.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { AgentDelivery } from './agent-delivery.ts';
import type { PodTimeouts } from './pod-supervisor.ts';
import { retryWithin } from './retry-within.ts';

/** A pod to launch, and whose it is. */
export interface LaunchRequest extends PodRequest {
  readonly podName: string;
  /** The container's, or the volume's that gets a pod of its own. */
  readonly handle: string;
  readonly metadata: ContainerMetadata;
}

/** What launching needs. */
export interface PodLauncherComponents {
  readonly cluster: Cluster;
  readonly workerName: string;
  readonly installationId: string;
  readonly delivery: AgentDelivery;
  readonly podOptions: PodOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timeouts: Pick<PodTimeouts, 'startMs' | 'schedulingMs'>;
}

/** What stands for names in a pod whose size is asked for: as long as any that the library gives. */
const longName = 'n'.repeat(63);

/** Creates pods, each under a name that belongs to one handle. */
export class PodLauncher {
  readonly #components: PodLauncherComponents;

  constructor(components: PodLauncherComponents) {
    this.#components = components;
  }

  /**
   * Checks that the cluster can take the pod; nothing is asked of it.
   *
   * @throws InvalidSpecError - the pod would be too large; the field is the largest part of it
   */
  check(request: Omit<LaunchRequest, 'podName' | 'handle'>): void {
    this.#build({ ...request, podName: longName, handle: longName }, request.architecture ?? 'amd64', longName);
  }

  /**
   * The uid of the pod: made now, or before. Each step may be repeated, so it is while what it fails with may pass: as
   * long as a pod may take to start, and for want of quota as long as one may wait for a node.
   *
   * @throws ConflictError - a pod of this name is another handle's
   * @throws PodDeletedError - it is on its way out
   * @throws QuotaExceededError, AdmissionDeniedError - the namespace does not take it
   */
  async launch(request: LaunchRequest, options: AbortOptions = {}): Promise<string> {
    const { clock, logger, timeouts } = this.#components;
    const budgetMs = (error: unknown): number =>
      error instanceof QuotaExceededError ? timeouts.schedulingMs : timeouts.startMs;
    return await retryWithin(() => this.#create(request, options), { clock, logger, budgetMs, signal: options.signal });
  }

  /** Deletes a pod that was launched for something that is gone. A failure is logged: no call waits for it. */
  async discard(podName: string, uid: string): Promise<void> {
    const { cluster, logger } = this.#components;
    await cluster
      .deletePod(podName, { uid })
      .catch((error: unknown) => logger.error('a pod is left over', { podName, uid, error }));
  }

  async #create(request: LaunchRequest, options: AbortOptions): Promise<string> {
    const { cluster, delivery } = this.#components;
    const architecture = request.architecture ?? (await delivery.architecture(options));
    const pod = this.#build(request, architecture, await delivery.ensure(architecture, options));
    options.signal?.throwIfAborted();
    try {
      // Not ended by the signal: a request that is given up may still be carried out, and the pod would not be known.
      return uidOf(await cluster.createPod(pod));
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      return await this.#adopt(request, error, options);
    }
  }

  /** The pod that has the name already, where it is the same handle's. */
  async #adopt({ podName, handle }: LaunchRequest, conflict: ConflictError, options: AbortOptions): Promise<string> {
    const { cluster } = this.#components;
    const existing = await cluster.getPod(podName, options);
    if (existing === undefined) {
      const facts = { verb: 'create', resource: 'pods', namespace: cluster.namespace };
      throw new ApiUnavailableError(facts, 'the pod that had the name is gone again', undefined, { cause: conflict });
    }
    if (markOf(existing.metadata, 'handle') !== handle) throw conflict;
    if (existing.metadata?.deletionTimestamp !== undefined)
      throw new PodDeletedError({ namespace: cluster.namespace, podName }, { cause: conflict });
    return uidOf(existing);
  }

  #build(request: LaunchRequest, architecture: Architecture, agentConfigMapName: string): Pod {
    const { workerName, installationId, podOptions } = this.#components;
    const { handle, metadata } = request;
    const marks = podMarks({ installationId, workerName, handle, metadata });
    return buildPod({ ...request, ...marks, architecture, agentConfigMapName, options: podOptions });
  }
}

function uidOf(pod: Pod): string {
  return pod.metadata?.uid ?? '';
}
