import { ConflictError } from '../errors/cluster.ts';
import { PodDeletedError } from '../errors/pod.ts';
import type { Cluster, Pod } from '../kubernetes/cluster.ts';
import { markOf, podMarks } from '../kubernetes/labels.ts';
import type { PodOptions } from '../kubernetes/pod-options.ts';
import { buildPod, type PlannedVolume } from '../kubernetes/pod-spec.ts';
import type { Architecture, ContainerLimits, ContainerMetadata, SidecarSpec } from '../runtime/container.ts';
import type { AbortOptions, Logger } from '../runtime/options.ts';
import type { AgentDelivery } from './agent-delivery.ts';

/** A pod that is wanted. */
export interface LaunchRequest {
  readonly podName: string;
  /** The container's, or the volume's that gets a pod of its own. */
  readonly handle: string;
  readonly metadata: ContainerMetadata;
  readonly image: string;
  readonly environment: readonly string[];
  readonly volumes: readonly PlannedVolume[];
  readonly limits: ContainerLimits;
  readonly sidecars: readonly SidecarSpec[];
  readonly privileged: boolean;
  /** @defaultValue the worker's, else the only one that the nodes have, else amd64 */
  readonly architecture: Architecture | undefined;
}

/** What launching needs. */
export interface PodLauncherComponents {
  readonly cluster: Cluster;
  readonly workerName: string;
  readonly installationId: string;
  readonly delivery: AgentDelivery;
  readonly podOptions: PodOptions;
  readonly logger: Logger;
}

/** Creates pods, each under a name that belongs to one handle. */
export class PodLauncher {
  readonly #components: PodLauncherComponents;

  constructor(components: PodLauncherComponents) {
    this.#components = components;
  }

  /**
   * The uid of the pod: made now, or by somebody before us.
   *
   * @throws ConflictError - a pod of this name is another handle's
   * @throws PodDeletedError - it is on its way out
   */
  async launch(request: LaunchRequest, options: AbortOptions = {}): Promise<string> {
    const { cluster } = this.#components;
    const pod = await this.#build(request, options);
    options.signal?.throwIfAborted();
    try {
      // Not ended by the signal: a request that is given up may still be carried out, and nobody would know of the pod.
      return uidOf(await cluster.createPod(pod));
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      const existing = await cluster.getPod(request.podName, options);
      if (existing === undefined || markOf(existing.metadata, 'handle') !== request.handle) throw error;
      if (existing.metadata?.deletionTimestamp !== undefined)
        throw new PodDeletedError({ namespace: cluster.namespace, podName: request.podName }, { cause: error });
      return uidOf(existing);
    }
  }

  /** Deletes a pod that was launched for something that is gone. A failure is logged: there is nobody to tell. */
  async discard(podName: string, uid: string): Promise<void> {
    const { cluster, logger } = this.#components;
    await cluster.deletePod(podName, { uid }).catch((error: unknown) => logger.error('a pod is left over', { podName, uid, error }));
  }

  async #build(request: LaunchRequest, options: AbortOptions): Promise<Pod> {
    const { delivery, workerName, installationId, podOptions } = this.#components;
    const architecture = request.architecture ?? (await delivery.architecture(options));
    const { handle, metadata, podName, image, environment, volumes, limits, sidecars, privileged } = request;
    const agentConfigMapName = await delivery.ensure(architecture, options);
    const marks = podMarks({ installationId, workerName, handle, metadata });
    return buildPod({
      ...marks,
      podName,
      image,
      environment,
      volumes,
      limits,
      sidecars,
      privileged,
      architecture,
      agentConfigMapName,
      options: podOptions,
    });
  }
}

function uidOf(pod: Pod): string {
  return pod.metadata?.uid ?? '';
}
