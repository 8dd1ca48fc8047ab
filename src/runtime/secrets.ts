/**
 * Refers to one value of a Kubernetes secret in the worker's namespace. The library never reads the
 * value.
 *
 * @public
 */
export interface SecretKey {
  /** The name of the secret. */
  readonly secretName: string;
  /** The key of the value in the secret. */
  readonly key: string;
  /**
   * Whether the pod starts without the variable if the secret or the key does not exist. Otherwise
   * the pod fails.
   *
   * @defaultValue false
   */
  readonly optional?: boolean | undefined;
}

/**
 * A Kubernetes secret of the worker's namespace as a read-only folder of the main Kubernetes
 * container, with a file per key. Sidecars do not have it. The library never reads the values.
 *
 * @public
 */
export interface SecretMount {
  /** The name of the secret. */
  readonly secretName: string;
  /**
   * The path of the folder: absolute, or relative to `ContainerSpec.dir`. No other mount may be at
   * this path or below it.
   */
  readonly path: string;
  /**
   * The permission bits of the files. The files belong to root, and to the group
   * `PodOptions.fsGroup`, which Kubernetes also permits to read them. A user who is neither needs
   * `0o444`.
   *
   * @defaultValue 0o400
   */
  readonly mode?: number | undefined;
  /**
   * Whether the folder is empty if the secret does not exist. Otherwise the pod does not start.
   *
   * @defaultValue false
   */
  readonly optional?: boolean | undefined;
}
