import { KubernetesWorkerError } from './base.ts';

/**
 * Where a failure of a pod was seen, and why as far as Kubernetes says.
 *
 * @public
 */
export interface PodFacts {
  readonly namespace: string;
  readonly podName: string;
  /** Kubernetes' own word, like `ImagePullBackOff`, where there is one. */
  readonly reason?: string | undefined;
  /** Kubernetes' own sentence, where there is one. */
  readonly detail?: string | undefined;
  /** Whether a command of the pod may still be running. @defaultValue false */
  readonly mayStillRun?: boolean | undefined;
}

/**
 * What the errors about a pod have in common.
 *
 * @public
 */
export abstract class PodError extends KubernetesWorkerError {
  readonly namespace: string;
  readonly podName: string;
  readonly reason: string | undefined;
  readonly detail: string | undefined;
  /**
   * Whether a command of the pod may still be running: its main container was last seen running, as on a node that does not answer. A retry that must not overlap
   * the command has to wait, or to see to its end by other means.
   */
  readonly mayStillRun: boolean;

  constructor(what: string, facts: PodFacts, retryable: boolean, options?: ErrorOptions) {
    const why = [facts.reason, facts.detail].filter((part) => part !== undefined && part !== '').join(': ');
    const still = facts.mayStillRun === true ? ' (its commands may still be running)' : '';
    super(`pod ${facts.namespace}/${facts.podName} ${what}${why === '' ? '' : `: ${why}`}${still}`, retryable, options);
    this.namespace = facts.namespace;
    this.podName = facts.podName;
    this.reason = facts.reason;
    this.detail = facts.detail;
    this.mayStillRun = facts.mayStillRun ?? false;
  }
}

/**
 * The pod was not usable in time; the detail says what it was waiting for.
 *
 * @public
 */
export class PodStartTimeoutError extends PodError {
  override readonly code = 'KW_ERR_POD_START_TIMEOUT';
  readonly waitedMs: number;

  constructor(facts: PodFacts, waitedMs: number, options?: ErrorOptions) {
    super(`was not ready after ${waitedMs} ms`, facts, true, options);
    this.waitedMs = waitedMs;
  }
}

/**
 * No node can take the pod, and none could for as long as the worker waits for one.
 *
 * @public
 */
export class PodUnschedulableError extends PodError {
  override readonly code = 'KW_ERR_POD_UNSCHEDULABLE';
  readonly waitedMs: number;

  constructor(facts: PodFacts, waitedMs: number, options?: ErrorOptions) {
    super(`could not be scheduled within ${waitedMs} ms`, facts, true, options);
    this.waitedMs = waitedMs;
  }
}

/**
 * The image of one of the pod's containers cannot be pulled, or its name is not one. Retryable where the cause passes,
 * like a registry that does not answer.
 *
 * @public
 */
export class ImagePullFailedError extends PodError {
  override readonly code = 'KW_ERR_IMAGE_PULL_FAILED';
  readonly image: string;

  constructor(facts: PodFacts, image: string, retryable: boolean, options?: ErrorOptions) {
    super(`cannot pull image ${image}`, facts, retryable, options);
    this.image = image;
  }
}

/**
 * The node put the pod out, or lost it.
 *
 * @public
 */
export class PodEvictedError extends PodError {
  override readonly code = 'KW_ERR_POD_EVICTED';

  constructor(facts: PodFacts, options?: ErrorOptions) {
    super('was evicted', facts, true, options);
  }
}

/**
 * Somebody else deleted the pod.
 *
 * @public
 */
export class PodDeletedError extends PodError {
  override readonly code = 'KW_ERR_POD_DELETED';

  constructor(facts: PodFacts, options?: ErrorOptions) {
    super('was deleted', facts, false, options);
  }
}

/**
 * The pod or one of its containers cannot run: a wrong configuration, a refused mount, a container that ends at once.
 *
 * @public
 */
export class PodFailedError extends PodError {
  override readonly code = 'KW_ERR_POD_FAILED';

  constructor(facts: PodFacts, options?: ErrorOptions) {
    super('failed', facts, false, options);
  }
}

/**
 * Where memory ran out.
 *
 * @public
 */
export interface MemoryFacts {
  readonly containerName: string;
  readonly limitBytes: number | undefined;
}

/**
 * The kernel killed for memory: a container of the pod, or a process in it.
 *
 * @public
 */
export class OutOfMemoryError extends PodError {
  override readonly code = 'KW_ERR_OUT_OF_MEMORY';
  /** The pod container: `main`, where commands run, or a sidecar. */
  readonly containerName: string;
  /** The container's memory limit, where it has one. */
  readonly limitBytes: number | undefined;

  constructor(facts: PodFacts, { containerName, limitBytes }: MemoryFacts, options?: ErrorOptions) {
    const limit = limitBytes === undefined ? '' : ` (limit ${limitBytes} bytes)`;
    super(`ran out of memory in container ${containerName}${limit}`, facts, false, options);
    this.containerName = containerName;
    this.limitBytes = limitBytes;
  }
}
