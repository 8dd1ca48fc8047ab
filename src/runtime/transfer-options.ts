/**
 * How a worker's transfers are run. Times in milliseconds. What a lost connection may cost in time is `reconnectTimeoutMs` of the worker.
 *
 * @public
 */
export interface TransferOptions {
  /** How many uploads, and how many downloads, may run at once, whatever the pods; others wait in turn. One that is moved from pod to pod is one of each. @defaultValue 32 */
  readonly maxConcurrent?: number | undefined;
  /**
   * For how long the pod may be silent although the connection is there. While a transfer waits for the caller's source or reader
   * nothing counts, but what the pod still has to answer: the caller ends such a transfer by its signal. @defaultValue 120,000
   */
  readonly stallTimeoutMs?: number | undefined;
  /** The wait before a second try to connect; it doubles with each. @defaultValue 100 */
  readonly firstRetryMs?: number | undefined;
  /** The longest wait between two tries to connect. @defaultValue 5,000 */
  readonly longestRetryMs?: number | undefined;
  /** The most bytes of a download that are on their way or held; at most 16 MiB. The agent's window for uploads is 8 MiB. @defaultValue 6,291,456 */
  readonly windowBytes?: number | undefined;
}
