/**
 * Where the cluster tells what it does; messages are for people.
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
 * How an embedded cluster is started.
 *
 * @public
 */
export interface EmbeddedClusterOptions {
  /**
   * Directory for the pods' volumes and logs and the kubeconfig. Made where it doesn't exist; `close()` removes what the cluster put into it, and itself if it was made.
   * @defaultValue a fresh one below the system's temporary directory
   */
  readonly directory?: string;
  /**
   * A namespace that is there from the beginning and is the kubeconfig's.
   * @defaultValue `default`
   */
  readonly namespace?: string;
  /**
   * `namespaces`: containers see their mounts at the real paths, in namespaces of the kernel; `mapped`: paths are replaced in what is started; `auto`: the
   * first where the machine allows it.
   * @defaultValue `auto`
   */
  readonly isolation?: 'auto' | 'namespaces' | 'mapped';
  /**
   * Port on 127.0.0.1.
   * @defaultValue 0, a free one
   */
  readonly port?: number;
  /**
   * The first pause before a container that ended quickly is started once more, in milliseconds; it doubles each time, up to thirty times this.
   * @defaultValue 10_000
   */
  readonly crashLoopBackOffMs?: number;
  /** @defaultValue nothing is logged */
  readonly logger?: EmbeddedLogger;
}

export const silentLogger: EmbeddedLogger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
