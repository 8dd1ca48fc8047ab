/**
 * How a worker's pods differ from the plain ones.
 *
 * @public
 */
export interface PodOptions {
  /** @defaultValue the namespace's own */
  readonly serviceAccountName?: string | undefined;
  /** Whether commands in the pod may call the API as its service account. @defaultValue false */
  readonly automountServiceAccountToken?: boolean | undefined;
  /** The names of secrets. */
  readonly imagePullSecrets?: readonly string[] | undefined;
  /** Beside the operating system and the architecture, which are always asked for. */
  readonly nodeSelector?: Readonly<Record<string, string>> | undefined;
  readonly tolerations?: readonly PodToleration[] | undefined;
  readonly priorityClassName?: string | undefined;
  readonly runtimeClassName?: string | undefined;
  /**
   * `restricted`: the pods are allowed by the Pod Security Standard of this name: not root, no capability; the images must have a numeric user, or
   * `runAsUser` must be given.
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
  /** Capabilities taken away, like `NET_RAW`. @defaultValue none; `ALL` where `security` is `restricted` */
  readonly dropCapabilities?: readonly string[] | undefined;
  /** @defaultValue `'RuntimeDefault'` */
  readonly seccompProfile?: 'RuntimeDefault' | 'Unconfined' | undefined;
}

/**
 * A taint of nodes that the pods bear, as Kubernetes has it.
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
