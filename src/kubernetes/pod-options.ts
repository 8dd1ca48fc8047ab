/**
 * Options of a worker's pods.
 *
 * @public
 */
export interface PodOptions {
  /** @defaultValue the namespace's own */
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
  readonly tolerations?: readonly PodToleration[] | undefined;
  readonly priorityClassName?: string | undefined;
  readonly runtimeClassName?: string | undefined;
  /**
   * `restricted`: the pods satisfy the Pod Security Standard of this name. They are not root and
   * have no capability. The images must have a numeric user, or `runAsUser` must be set.
   *
   * @defaultValue `'default'`
   */
  readonly security?: 'default' | 'restricted' | undefined;
  /** @defaultValue the image's */
  readonly runAsUser?: number | undefined;
  readonly runAsGroup?: number | undefined;
  readonly runAsNonRoot?: boolean | undefined;
  readonly fsGroup?: number | undefined;
  readonly supplementalGroups?: readonly number[] | undefined;
  /** @defaultValue false */
  readonly readOnlyRootFilesystem?: boolean | undefined;
  /**
   * Capabilities to drop, like `NET_RAW`.
   *
   * @defaultValue none; `ALL` if `security` is `restricted`
   */
  readonly dropCapabilities?: readonly string[] | undefined;
  /** @defaultValue `'RuntimeDefault'` */
  readonly seccompProfile?: 'RuntimeDefault' | 'Unconfined' | undefined;
}

/**
 * A toleration of node taints, as in Kubernetes.
 *
 * @public
 */
export interface PodToleration {
  readonly key?: string | undefined;
  readonly operator?: 'Exists' | 'Equal' | undefined;
  readonly value?: string | undefined;
  readonly effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute' | undefined;
  readonly tolerationSeconds?: number | undefined;
}
