/**
 * The log of the cluster. Its messages are for people.
 *
 * @public
 */
export interface EmbeddedLogger {
  /** Logs a detail that helps to trace one request or one container. */
  debug(message: string): void;
  /** Logs a normal event. */
  info(message: string): void;
  /** Logs a failure that the cluster has handled. */
  warn(message: string): void;
  /** Logs a failure that the cluster could not handle. */
  error(message: string): void;
}

/**
 * The options of `EmbeddedCluster.start()`.
 *
 * @public
 */
export interface EmbeddedClusterOptions {
  /**
   * The directory of the pods' volumes and logs, and of the kubeconfig. The cluster creates it if
   * it does not exist. `close()` removes the entries that the cluster created, and the directory
   * itself if the cluster created it.
   * @defaultValue a new directory below the system's temporary directory
   */
  readonly directory?: string;
  /**
   * A namespace that the cluster creates at start, and the namespace of the kubeconfig.
   * @defaultValue `default`
   */
  readonly namespace?: string;
  /**
   * `namespaces`: containers run in namespaces of the kernel, with their mounts at the real paths.
   * `mapped`: the cluster replaces mount paths in commands, arguments and environments. `auto`:
   * `namespaces` where the machine allows it, else `mapped`.
   * @defaultValue `auto`
   */
  readonly isolation?: 'auto' | 'namespaces' | 'mapped';
  /**
   * The port on 127.0.0.1.
   * @defaultValue 0, a free port
   */
  readonly port?: number;
  /**
   * The pause before the first delayed restart of a container that ends quickly, in milliseconds.
   * The pause doubles with each restart, up to 30 times this value.
   * @defaultValue 10_000
   */
  readonly crashLoopBackOffMs?: number;
  /** Receives log messages. @defaultValue no logging */
  readonly logger?: EmbeddedLogger;
}

export const silentLogger: EmbeddedLogger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
