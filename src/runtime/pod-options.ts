import type { Affinity, TopologySpreadConstraint } from './affinity.ts';
import type { PodOverlay } from './pod-overlay.ts';

/**
 * Options of pods: of all pods of a worker (`KubernetesWorkerOptions.pods`), or of one container's
 * pod (`ContainerSpec.pod`). A container's options take precedence. Its numbers, texts, booleans,
 * lists and `affinity` replace the worker's. `nodeSelector`, `labels` and `annotations` are merged
 * by key, and `overlay` by its own rules. An option that is `undefined` does not replace another.
 *
 * @public
 */
export interface PodOptions {
  /** The service account of the pods. @defaultValue the namespace's own */
  readonly serviceAccountName?: string | undefined;
  /**
   * Mounts the service account's token, so that commands in the pod can call the API.
   *
   * @defaultValue false
   */
  readonly automountServiceAccountToken?: boolean | undefined;
  /** Names of secrets. */
  readonly imagePullSecrets?: readonly string[] | undefined;
  /** Added to the operating system and the architecture, which are always selected. */
  readonly nodeSelector?: Readonly<Record<string, string>> | undefined;
  /** The taints of nodes that the pods tolerate. @defaultValue none */
  readonly tolerations?: readonly PodToleration[] | undefined;
  /** Rules about the nodes of the pods. @defaultValue none */
  readonly affinity?: Affinity | undefined;
  /** How the pods are spread over nodes. @defaultValue the cluster's defaults */
  readonly topologySpreadConstraints?: readonly TopologySpreadConstraint[] | undefined;
  /**
   * Labels of the pods. A value has at most 63 characters. The library's own keys (with the prefix
   * `kubernetes-worker/`, and `app.kubernetes.io/managed-by`) are refused.
   *
   * @defaultValue the library's own
   */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Annotations of the pods. The keys of labels are refused here too. @defaultValue none */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** The priority class of the pods. @defaultValue the cluster's default */
  readonly priorityClassName?: string | undefined;
  /** The runtime class of the pods. @defaultValue the cluster's default */
  readonly runtimeClassName?: string | undefined;
  /**
   * `restricted`: the pods satisfy the Pod Security Standard of this name. They are not root and
   * have no capability. The images must have a numeric user, or `runAsUser` must be set.
   *
   * @defaultValue `'default'`
   */
  readonly security?: 'default' | 'restricted' | undefined;
  /** The numeric user of the Kubernetes containers. @defaultValue the image's */
  readonly runAsUser?: number | undefined;
  /** The numeric group of the Kubernetes containers. @defaultValue the image's */
  readonly runAsGroup?: number | undefined;
  /**
   * Whether Kubernetes refuses to run the containers as root.
   *
   * @defaultValue unset; true where `security` is `restricted`
   */
  readonly runAsNonRoot?: boolean | undefined;
  /** The group that owns the pods' volumes. @defaultValue unset */
  readonly fsGroup?: number | undefined;
  /** Further groups of the processes. @defaultValue none */
  readonly supplementalGroups?: readonly number[] | undefined;
  /**
   * Whether the root file systems of the Kubernetes containers are read-only.
   *
   * @defaultValue false
   */
  readonly readOnlyRootFilesystem?: boolean | undefined;
  /**
   * Capabilities to drop, like `NET_RAW`.
   *
   * @defaultValue none; `ALL` if `security` is `restricted`
   */
  readonly dropCapabilities?: readonly string[] | undefined;
  /**
   * Capabilities to add to the main Kubernetes container, like `SYS_PTRACE`. Sidecars do not get
   * them. Refused with `restricted` security.
   *
   * @defaultValue those of the container runtime
   */
  readonly addCapabilities?: readonly string[] | undefined;
  /**
   * Whether the pods use the users of the node. With `false`, root in a pod is not root on the
   * node; the nodes and their container runtime must support user namespaces.
   *
   * @defaultValue the cluster's default
   */
  readonly hostUsers?: boolean | undefined;
  /** The SELinux context of the pods. @defaultValue the container runtime's */
  readonly seLinuxOptions?: PodSeLinuxOptions | undefined;
  /** The seccomp profile of the pods. @defaultValue `'RuntimeDefault'` */
  readonly seccompProfile?: 'RuntimeDefault' | 'Unconfined' | undefined;
  /**
   * When the Kubernetes containers of the pods are started again. `'OnFailure'`: a sidecar that ends
   * with status 0 is not. The main one always is: the agent never ends with status 0. `'Never'` is
   * refused, because the results and the volumes of a pod whose agent was killed would be lost.
   *
   * @defaultValue `'Always'`
   */
  readonly restartPolicy?: 'Always' | 'OnFailure' | undefined;
  /**
   * The owners of the pods in the cluster, such as the pod of the host. When the last of them no
   * longer exists, the cluster's garbage collector deletes the pods. The rows of the containers stay
   * until `Worker.ownerFinished` and the reaper.
   *
   * @defaultValue none
   */
  readonly ownerReferences?: readonly PodOwnerReference[] | undefined;
  /**
   * Additions in the form of a Pod object, such as a mount of a claim.
   *
   * @defaultValue none
   */
  readonly overlay?: PodOverlay | undefined;
}

/**
 * An SELinux context, as in Kubernetes.
 *
 * @public
 */
export interface PodSeLinuxOptions {
  /** The level of the context. @defaultValue the container runtime's */
  readonly level?: string | undefined;
  /** The role of the context. @defaultValue the container runtime's */
  readonly role?: string | undefined;
  /** The type of the context. @defaultValue the container runtime's */
  readonly type?: string | undefined;
  /** The user of the context. @defaultValue the container runtime's */
  readonly user?: string | undefined;
}

/**
 * A toleration of node taints, as in Kubernetes.
 *
 * @public
 */
export interface PodToleration {
  /** The key of the taint. @defaultValue every key */
  readonly key?: string | undefined;
  /** How `value` is compared. @defaultValue `'Equal'` */
  readonly operator?: 'Exists' | 'Equal' | undefined;
  /** The value of the taint. */
  readonly value?: string | undefined;
  /** The effect of the taint. @defaultValue every effect */
  readonly effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute' | undefined;
  /**
   * How long a pod stays on a node with the effect `NoExecute`, in seconds.
   *
   * @defaultValue forever
   */
  readonly tolerationSeconds?: number | undefined;
}

/**
 * An owner of a pod, as in Kubernetes: an object of the pods' namespace, or one without a namespace.
 *
 * @public
 */
export interface PodOwnerReference {
  /** The API version of the owner, such as `v1` or `batch/v1`. */
  readonly apiVersion: string;
  /** The kind of the owner, such as `Pod`. */
  readonly kind: string;
  /** The name of the owner. */
  readonly name: string;
  /** The uid of the owner. Another object with the same name is not the owner. */
  readonly uid: string;
  /** Whether the owner is the one that manages the pod: at most one is. @defaultValue false */
  readonly controller?: boolean | undefined;
  /**
   * Whether a foreground deletion of the owner waits for the pod. Some clusters require the
   * permission to update the finalizers of the owner for it.
   *
   * @defaultValue false
   */
  readonly blockOwnerDeletion?: boolean | undefined;
}
