import { AdmissionDeniedError, ApiUnavailableError, ConflictError, QuotaExceededError } from '../errors/cluster.ts';
import { PodDeletedError } from '../errors/pod.ts';
import type { Cluster, Pod } from '../kubernetes/cluster.ts';
import { isOfHandle, podMarks, storeClaimOf, workerOf } from '../kubernetes/pod-spec/labels.ts';
import { mergePodOptions } from '../kubernetes/pod-spec/pod-option-merge.ts';
import { buildPod, type PodRequest } from '../kubernetes/pod-spec/pod-spec.ts';
import { callBackoff } from '../retry/backoff.ts';
import { retry, waitIfRetryable } from '../retry/retry.ts';
import { RetryPace } from '../retry/retry-pace.ts';
import type { Architecture, ContainerMetadata } from '../runtime/container.ts';
import type { ImagePullPolicy } from '../runtime/image.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { PodOptions } from '../runtime/pod-options.ts';
import type { AgentDelivery } from './agent-delivery.ts';
import { findDroppedVolume } from './dropped-volume.ts';
import type { PodTimeouts } from './pod-supervisor.ts';
import type { QuotaQueue } from './quota-queue.ts';

/** The pod to launch. */
export interface LaunchRequest extends PodRequest {
  readonly podName: string;
  /** The handle of the container, or of the volume with its own pod. A store pod has its name. */
  readonly handle: string;
  readonly metadata: ContainerMetadata;
}

export interface LaunchOptions extends AbortOptions {
  /**
   * Called after each refusal for lack of quota, with the refusal's message and the number of
   * creations that wait before this one.
   */
  readonly waitingForQuota?: ((message: string, queued: number) => void) | undefined;
}

export interface PodLauncherComponents {
  readonly cluster: Cluster;
  readonly workerName: string;
  readonly installationId: string;
  readonly delivery: AgentDelivery;
  readonly podOptions: PodOptions;
  /** The prefix of the labels that describe a pod. @defaultValue `defaultLabelPrefix` */
  readonly labelPrefix?: string | undefined;
  /** @defaultValue `IfNotPresent` */
  readonly pullPolicy?: ImagePullPolicy | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timeouts: Pick<PodTimeouts, 'startMs'>;
  /** The creations that wait for room in a quota. */
  readonly quotaQueue: QuotaQueue;
}

/**
 * A placeholder for names when the size of a pod is checked: as long as the library's longest name.
 */
const longName = 'n'.repeat(63);

/** Creates pods. Each pod's name belongs to one handle. */
export class PodLauncher {
  readonly #components: PodLauncherComponents;

  constructor(components: PodLauncherComponents) {
    this.#components = components;
  }

  /**
   * Checks that the cluster accepts a pod of this size, without a request to the cluster.
   *
   * @throws InvalidSpecError - the pod would be too large. The field is its largest part
   */
  check(request: Omit<LaunchRequest, 'podName' | 'handle'>): void {
    this.#build({ ...request, podName: longName, handle: longName }, request.architecture ?? 'amd64', longName);
  }

  /**
   * Creates the pod, or finds the handle's existing pod, and returns its uid. Retries after
   * retryable errors for as long as a pod may take to start. Without quota it waits in the queue.
   * Every step is idempotent.
   *
   * @throws ConflictError - another pod has this name. It is left alone
   * @throws PodDeletedError - the pod is being deleted
   * @throws QuotaExceededError, AdmissionDeniedError - the namespace does not accept the pod
   */
  async launch(request: LaunchRequest, { signal, waitingForQuota }: LaunchOptions = {}): Promise<string> {
    const { clock, logger, timeouts, quotaQueue } = this.#components;
    const { podName } = request;
    const pace = new RetryPace({ clock, backoff: callBackoff, budgetMs: timeouts.startMs });
    let mayExist = true;
    const refused = (refusal: QuotaExceededError, queued: number): void => {
      mayExist = false;
      logger.debug('pod not created', { podName, queued, error: refusal });
      // The API server responds.
      pace.renew();
      waitingForQuota?.(refusal.message, queued);
    };
    using place = quotaQueue.arrive({ signal, refused });
    return await retry(() => place.run(() => this.#create(request, { signal, mayExist })), {
      pace,
      signal,
      decide: (error) => {
        logger.debug('pod not created', { podName, retry: pace.retries, error });
        mayExist = true;
        // The queue has retried until its limit.
        if (error instanceof QuotaExceededError) throw error;
        return waitIfRetryable(error);
      },
    });
  }

  /**
   * Passes the pod through the API server's whole admission without creating it. Returns the time
   * of the API server's clock, or `undefined` if the server reports none.
   *
   * @throws QuotaExceededError, AdmissionDeniedError, ForbiddenError - the server refuses the pod
   * @throws AgentNotInstalledError - the agent's config map is missing, and must not be created
   */
  async rehearse(request: LaunchRequest, { signal }: AbortOptions = {}): Promise<Date | undefined> {
    await this.#components.delivery.rehearse({ signal });
    const pod = this.#build(request, request.architecture ?? 'amd64', longName);
    const { metadata } = await this.#components.cluster.createPod(pod, { signal, dryRun: true });
    return metadata?.creationTimestamp;
  }

  /**
   * Deletes a pod that its container no longer needs. Logs a failure, because no caller handles it.
   */
  async discard(podName: string, uid: string): Promise<void> {
    const { cluster, logger } = this.#components;
    await cluster
      .deletePod(podName, { uid })
      .catch((error: unknown) => logger.error('pod not deleted', { podName, uid, error }));
  }

  /** `mayExist`: an earlier request, of this call or of an earlier holder, may have created the pod. */
  async #create(
    request: LaunchRequest,
    { mayExist, ...options }: AbortOptions & { readonly mayExist: boolean },
  ): Promise<string> {
    const { cluster, delivery } = this.#components;
    const architecture = request.architecture ?? (await delivery.architecture(options));
    const pod = this.#build(request, architecture, await delivery.ensure(architecture, options));
    options.signal?.throwIfAborted();
    // Not aborted by the signal: an aborted request may still take effect, and the pod's uid would be
    // unknown.
    const stored = await cluster.createPod(pod).catch(async (error: unknown) => {
      // A quota refuses also a pod that exists, which it counts, before the API server looks for it.
      if (error instanceof ConflictError || (mayExist && error instanceof QuotaExceededError))
        return await this.#adopt(request, error, options);
      throw error;
    });
    await this.#requireVolumes(pod, stored, request.podName);
    return uidOf(stored);
  }

  /** Deletes a pod in which a command would not find the content of an image, and throws. */
  async #requireVolumes(requested: Pod, stored: Pod, podName: string): Promise<void> {
    const volume = findDroppedVolume(requested, stored);
    if (volume === undefined) return;
    await this.discard(podName, uidOf(stored));
    const { namespace } = this.#components.cluster;
    const detail = `the API server has left out volume ${volume} of pod ${podName}: it does not support volumes of images`;
    throw new AdmissionDeniedError({ verb: 'create', resource: 'pods', namespace }, detail);
  }

  /** Returns the existing pod of this name if it belongs to the same handle, otherwise throws the refusal. */
  async #adopt(
    request: LaunchRequest,
    refusal: ConflictError | QuotaExceededError,
    options: AbortOptions,
  ): Promise<Pod> {
    const { cluster } = this.#components;
    const { podName } = request;
    const existing = await cluster.getPod(podName, options);
    if (existing === undefined) {
      if (refusal instanceof QuotaExceededError) throw refusal;
      const facts = { verb: 'create', resource: 'pods', namespace: cluster.namespace };
      throw new ApiUnavailableError(facts, 'the existing pod of this name was deleted in the meantime', undefined, {
        cause: refusal,
      });
    }
    if (!this.#isOf(request, existing)) throw this.#taken(podName, refusal);
    if (existing.metadata?.deletionTimestamp !== undefined)
      throw new PodDeletedError({ namespace: cluster.namespace, podName }, { cause: refusal });
    return existing;
  }

  #isOf({ handle, storeClaim }: LaunchRequest, { metadata }: Pod): boolean {
    if (storeClaim === undefined) return isOfHandle(metadata, handle);
    return storeClaimOf(metadata) === storeClaim && workerOf(metadata) === this.#components.workerName;
  }

  #taken(podName: string, refusal: ConflictError | QuotaExceededError): ConflictError {
    const { verb, resource, namespace } = refusal;
    const detail = `pod ${podName} exists and is not that of this container: use another podName, or delete that pod`;
    return new ConflictError({ verb, resource, namespace }, detail, { cause: refusal });
  }

  #build(request: LaunchRequest, architecture: Architecture, agentConfigMapName: string): Pod {
    const { workerName, installationId, podOptions, labelPrefix, pullPolicy } = this.#components;
    const { handle, storeClaim, metadata, requestedImages, hermetic } = request;
    const options = mergePodOptions(podOptions, request.podOptions);
    const facts = { installationId, workerName, handle, storeClaim, metadata, requestedImages, hermetic };
    const marks = podMarks(facts, labelPrefix);
    return buildPod({ ...request, ...marks, architecture, agentConfigMapName, options, pullPolicy });
  }
}

function uidOf(pod: Pod): string {
  return pod.metadata?.uid ?? '';
}
