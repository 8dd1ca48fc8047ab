/** Describes how a transfer ended, for metrics. */
export interface TransferReport {
  /** Into a volume, or out of it. */
  readonly direction: 'in' | 'out';
  /**
   * `OK`, or what ended the transfer: one of the agent's documented codes, `OPERATION_LOST`, or
   * `OTHER`. It has few values, because it labels metrics.
   */
  readonly outcome: string;
  /** The raw bytes that the other end has processed. */
  readonly bytes: number;
  readonly durationMs: number;
  /** The number of connection attempts, the first one included. */
  readonly attempts: number;
  /** How often the transfer continued over another connection. */
  readonly reconnects: number;
}

/** Receives the report of each transfer once. */
export type TransferObserver = (report: TransferReport) => void;
