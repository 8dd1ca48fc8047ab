import type { ContainerLimits, ContainerRequests } from './resources.ts';

/**
 * The pod of a container as Kubernetes reports it, for people who look for a cause. Texts come from
 * the cluster and from the container: a text may contain anything that a user's program has printed.
 * `KubernetesWorkerOptions.mask` is applied to each `message`.
 *
 * @public
 */
export interface ContainerDescription {
  /** The name of the pod. */
  readonly podName: string;
  /** The uid of the pod. */
  readonly podUid: string;
  /** The name of the pod's node. Absent while no node accepts the pod. */
  readonly nodeName?: string | undefined;
  /** Kubernetes' phase: `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`. */
  readonly phase: string;
  /** Why the pod is in its phase, in one word, such as `Evicted`. */
  readonly reason?: string | undefined;
  /** Why the pod is in its phase, in words. */
  readonly message?: string | undefined;
  /** When the pod will be killed, if it is being deleted. */
  readonly deletedAt?: Date | undefined;
  /** The conditions of the pod, such as `PodScheduled` and `Ready`. */
  readonly conditions: readonly PodConditionInfo[];
  /** The Kubernetes containers of the pod: those that run before `main`, `main`, and its sidecars. */
  readonly containers: readonly KubernetesContainerInfo[];
  /**
   * The events of the pod that the cluster still keeps (by default for an hour), oldest first.
   * Absent if the worker has no permission to list events.
   */
  readonly events?: readonly PodEventInfo[] | undefined;
}

/**
 * A condition of a pod.
 *
 * @public
 */
export interface PodConditionInfo {
  /** The type of the condition, such as `PodScheduled`. */
  readonly type: string;
  /** `True`, `False` or `Unknown`. */
  readonly status: string;
  /** Why the condition has its status, in one word. */
  readonly reason?: string | undefined;
  /** Why the condition has its status, in words. */
  readonly message?: string | undefined;
  /** When the status last changed. */
  readonly changedAt?: Date | undefined;
}

/**
 * A Kubernetes container of a pod.
 *
 * @public
 */
export interface KubernetesContainerInfo {
  /** The name of the Kubernetes container. */
  readonly name: string;
  /** The image reference, as requested. */
  readonly image: string;
  /**
   * The digest of the image in its registry: `sha256:…`. Absent until the node reports it, and for
   * an image that the node has from elsewhere.
   */
  readonly imageDigest?: string | undefined;
  /** The state of the Kubernetes container. */
  readonly state: KubernetesContainerState;
  /**
   * What the node reserves for the Kubernetes container, by its specification and the defaults of the
   * namespace. Absent if it reserves nothing.
   */
  readonly requests?: ContainerRequests | undefined;
  /** The limits of the Kubernetes container. Absent without limits. */
  readonly limits?: ContainerLimits | undefined;
  /**
   * What the Kubernetes container uses. Absent if the cluster has no metrics API (metrics-server) or
   * has not measured the pod yet, and if the worker has no permission to read it.
   */
  readonly usage?: ContainerUsage | undefined;
  /** How often the Kubernetes container was restarted. */
  readonly restarts: number;
  /** How the previous run ended. Absent if there was none. */
  readonly lastTermination?: TerminationInfo | undefined;
}

/**
 * What a Kubernetes container uses, as the metrics API of the cluster has measured it last: usually
 * over some seconds, up to a minute ago.
 *
 * @public
 */
export interface ContainerUsage {
  /** The processor time in thousandths of a CPU. */
  readonly cpuMilli: number;
  /** The memory in bytes that the node cannot take back without ending the container. */
  readonly memoryBytes: number;
}

/**
 * The state of a Kubernetes container. One that its node has not reported yet is waiting.
 *
 * @public
 */
export type KubernetesContainerState =
  | {
      /** The Kubernetes container does not run yet, or waits for its next start. */
      readonly kind: 'waiting';
      /** Why it waits, in one word, such as `ImagePullBackOff`. */
      readonly reason?: string | undefined;
      /** Why it waits, in words. */
      readonly message?: string | undefined;
    }
  | {
      /** The Kubernetes container runs. */
      readonly kind: 'running';
      /** When the run began. */
      readonly startedAt?: Date | undefined;
    }
  | {
      /** The Kubernetes container has ended, and is not restarted. */
      readonly kind: 'terminated';
      /** How it ended. */
      readonly termination: TerminationInfo;
    };

/**
 * How one run of a Kubernetes container ended.
 *
 * @public
 */
export interface TerminationInfo {
  /** The exit code, 0 to 255. */
  readonly exitCode: number;
  /** The reason in one word, such as `OOMKilled`, `Error` or `Completed`. */
  readonly reason?: string | undefined;
  /** The reason in words, from the node or from the container. */
  readonly message?: string | undefined;
  /** When the run began. */
  readonly startedAt?: Date | undefined;
  /** When the run ended. */
  readonly finishedAt?: Date | undefined;
}

/**
 * An event of a pod.
 *
 * @public
 */
export interface PodEventInfo {
  /** `Normal` or `Warning`. */
  readonly type: string;
  /** What happened, in one word, such as `FailedScheduling`. */
  readonly reason: string;
  /** What happened, in words. */
  readonly message: string;
  /** How often it happened. */
  readonly count: number;
  /** When it happened first. */
  readonly firstAt?: Date | undefined;
  /** When it happened last. */
  readonly lastAt?: Date | undefined;
  /** The component that reports it, such as `kubelet`. */
  readonly source?: string | undefined;
}
