/**
 * Resource limits of a Kubernetes container. An omitted field means no limit.
 *
 * @public
 */
export interface ContainerLimits {
  /** The CPU limit in thousandths of a CPU. @defaultValue no limit */
  readonly cpuMilli?: number | undefined;
  /** The memory limit in bytes. @defaultValue no limit */
  readonly memoryBytes?: number | undefined;
  /**
   * The limit in bytes of what the Kubernetes container writes outside its mounts, and of its logs.
   * A node evicts a pod that exceeds the sum of its containers' limits, volumes included.
   *
   * @defaultValue no limit
   */
  readonly ephemeralStorageBytes?: number | undefined;
}

/**
 * Resources that a node reserves for a Kubernetes container. A request must not exceed the limit of
 * the same name. 0 reserves nothing.
 *
 * @public
 */
export interface ContainerRequests {
  /** The reserved CPU in thousandths of a CPU. @defaultValue the limit */
  readonly cpuMilli?: number | undefined;
  /** The reserved memory in bytes. @defaultValue the limit */
  readonly memoryBytes?: number | undefined;
  /** The reserved disk space in bytes. @defaultValue the limit */
  readonly ephemeralStorageBytes?: number | undefined;
}
