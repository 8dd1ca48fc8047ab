/**
 * Configures the transfers of a worker. Times are in milliseconds. `reconnectTimeoutMs` of the
 * worker bounds the time that a lost connection may cost.
 *
 * @public
 */
export interface TransferOptions {
  /**
   * The maximum number of concurrent uploads, and of concurrent downloads, over all pods. Further
   * transfers wait for a slot. Moving a volume from pod to pod counts as one of each.
   *
   * @defaultValue 32
   */
  readonly maxConcurrent?: number | undefined;
  /**
   * How long a pod may stay silent on an open connection before the transfer fails with
   * `TransferStalledError`. The time that a transfer waits for the caller's source or reader does
   * not count, except for answers that the pod still owes. To end a transfer whose caller pauses,
   * abort its signal.
   *
   * @defaultValue 120,000
   */
  readonly stallTimeoutMs?: number | undefined;
  /**
   * The delay before the second connection attempt. It doubles with each further attempt.
   *
   * @defaultValue 100
   */
  readonly firstRetryMs?: number | undefined;
  /** The maximum delay between two connection attempts. @defaultValue 5,000 */
  readonly longestRetryMs?: number | undefined;
  /**
   * The maximum number of bytes of a download that are under way or buffered, at most 16 MiB. The
   * agent's window for uploads is 8 MiB.
   *
   * @defaultValue 6,291,456
   */
  readonly windowBytes?: number | undefined;
}
