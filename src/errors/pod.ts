import { KubernetesWorkerError } from './base.ts';

/**
 * Identifies a pod that failed, and the cause as far as Kubernetes reports it.
 *
 * @public
 */
export interface PodFacts {
  /** The namespace of the pod. */
  readonly namespace: string;
  /** The name of the pod. */
  readonly podName: string;
  /** The reason that Kubernetes reports, such as `ImagePullBackOff`, if there is one. */
  readonly reason?: string | undefined;
  /** The message that Kubernetes reports, if there is one. */
  readonly detail?: string | undefined;
  /** Whether a command of the pod may still be running. @defaultValue false */
  readonly mayStillRun?: boolean | undefined;
  /** The node of the pod, if it had one. */
  readonly nodeName?: string | undefined;
  /** The Kubernetes container that the problem is about, if it is about one. */
  readonly containerName?: string | undefined;
  /** What was found out about the pod and its node, as text. */
  readonly diagnostics?: string | undefined;
}

/**
 * The base class of the errors about a pod.
 *
 * @public
 */
export abstract class PodError extends KubernetesWorkerError {
  /** The namespace of the pod. */
  readonly namespace: string;
  /** The name of the pod. */
  readonly podName: string;
  /** The reason that Kubernetes reports, such as `ImagePullBackOff`, if there is one. */
  readonly reason: string | undefined;
  /** The message that Kubernetes reports, if there is one. */
  readonly detail: string | undefined;
  /**
   * Whether a command of the pod may still be running: its main Kubernetes container was last seen
   * running, as on a node that does not respond. A retry that must not overlap the command has to
   * wait, or to observe the command's end by other means.
   */
  readonly mayStillRun: boolean;
  /** The node of the pod, if it had one. */
  readonly nodeName: string | undefined;
  /**
   * The Kubernetes container that the problem is about, if it is about one: `main`, or a sidecar.
   */
  readonly containerName: string | undefined;
  readonly #diagnostics: string | undefined;

  constructor(what: string, facts: PodFacts, retryable: boolean, options?: ErrorOptions) {
    const why = [facts.reason, facts.detail].filter((part) => part !== undefined && part !== '').join(': ');
    const still = facts.mayStillRun === true ? ' (its commands may still be running)' : '';
    super(`pod ${facts.namespace}/${facts.podName} ${what}${why === '' ? '' : `: ${why}`}${still}`, retryable, options);
    this.namespace = facts.namespace;
    this.podName = facts.podName;
    this.reason = facts.reason;
    this.detail = facts.detail;
    this.mayStillRun = facts.mayStillRun ?? false;
    this.nodeName = facts.nodeName;
    this.containerName = facts.containerName;
    this.#diagnostics = facts.diagnostics;
  }

  /**
   * The state of the pod and of its node when the error was reported: plain text of several lines,
   * at most 16 KiB, without a line end. Neither the message nor an inspection of the error contains
   * it. The calls of `Container` and `Process`, `Worker.findOrCreateContainer` and
   * `Worker.createVolumeForArtifact` provide it, also if the pod or its node cannot be read, and also
   * for the error that is the cause of a `ContainerDisappearedError`. `undefined`: the error is of
   * another call, or `KubernetesWorkerOptions.mask` failed.
   */
  get diagnostics(): string | undefined {
    return this.#diagnostics;
  }
}

/**
 * Thrown if the pod is not ready in time. `detail` states what the pod was waiting for.
 *
 * @public
 */
export class PodStartTimeoutError extends PodError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_POD_START_TIMEOUT';
  /** How long the library has waited, in milliseconds. */
  readonly waitedMs: number;

  constructor(facts: PodFacts, waitedMs: number, options?: ErrorOptions) {
    super(`was not ready within ${waitedMs} ms (startTimeoutMs)`, facts, true, options);
    this.waitedMs = waitedMs;
  }
}

/**
 * Thrown if no node has accepted the pod for as long as the worker waits for one
 * (`schedulingTimeoutMs`).
 *
 * @public
 */
export class PodUnschedulableError extends PodError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_POD_UNSCHEDULABLE';
  /** How long the library has waited, in milliseconds. */
  readonly waitedMs: number;

  constructor(facts: PodFacts, waitedMs: number, options?: ErrorOptions) {
    super(`was not scheduled to a node within ${waitedMs} ms (schedulingTimeoutMs)`, facts, true, options);
    this.waitedMs = waitedMs;
  }
}

/**
 * Thrown if the image of one of the pod's containers cannot be pulled, or its name is invalid. It
 * is retryable if the cause is temporary, such as an unreachable registry.
 *
 * @public
 */
export class ImagePullFailedError extends PodError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_IMAGE_PULL_FAILED';
  /** The image reference. */
  readonly image: string;

  constructor(facts: PodFacts, image: string, retryable: boolean, options?: ErrorOptions) {
    super(`cannot pull image ${image}`, facts, retryable, options);
    this.image = image;
  }
}

/**
 * Thrown if the node has evicted the pod, or no longer exists.
 *
 * @public
 */
export class PodEvictedError extends PodError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_POD_EVICTED';

  constructor(facts: PodFacts, options?: ErrorOptions) {
    super('was evicted', facts, true, options);
  }
}

/**
 * Thrown if the pod was deleted by another client of the cluster.
 *
 * @public
 */
export class PodDeletedError extends PodError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_POD_DELETED';

  constructor(facts: PodFacts, options?: ErrorOptions) {
    super('was deleted', facts, false, options);
  }
}

/**
 * Thrown if the pod or one of its containers cannot run: an invalid configuration, a refused mount,
 * a container that exits at each start.
 *
 * @public
 */
export class PodFailedError extends PodError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_POD_FAILED';

  constructor(facts: PodFacts, options?: ErrorOptions) {
    super('failed', facts, false, options);
  }
}

/**
 * Identifies the Kubernetes container that ran out of memory.
 *
 * @public
 */
export interface MemoryFacts {
  /** The name of the Kubernetes container. */
  readonly containerName: string;
  /** Its memory limit in bytes. `undefined` if it has none. */
  readonly limitBytes: number | undefined;
}

/**
 * Thrown if the kernel killed a container of the pod, or a process in it, for lack of memory.
 *
 * @public
 */
export class OutOfMemoryError extends PodError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_OUT_OF_MEMORY';
  /** The name of the Kubernetes container: `main`, where commands run, or a sidecar. */
  override readonly containerName: string;
  /** The memory limit of the Kubernetes container in bytes. `undefined` if it has none. */
  readonly limitBytes: number | undefined;

  constructor(facts: PodFacts, { containerName, limitBytes }: MemoryFacts, options?: ErrorOptions) {
    const limit = limitBytes === undefined ? 'no limit of its own' : `limit ${limitBytes} bytes`;
    super(`ran out of memory in container ${containerName} (${limit})`, facts, false, options);
    this.containerName = containerName;
    this.limitBytes = limitBytes;
  }
}
