/**
 * Options of a worker's pods.
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
  /** The seccomp profile of the pods. @defaultValue `'RuntimeDefault'` */
  readonly seccompProfile?: 'RuntimeDefault' | 'Unconfined' | undefined;
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
   * @defaultValue for ever
   */
  readonly tolerationSeconds?: number | undefined;
}
