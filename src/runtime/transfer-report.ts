/** How a transfer has ended, for whoever counts. */
export interface TransferReport {
  /** Into a volume, or out of it. */
  readonly direction: 'in' | 'out';
  /** `OK`, or what ended it: a code of the agent's that the library knows, `OPERATION_LOST`, or `OTHER`. Few values: it labels metrics. */
  readonly outcome: string;
  /** Raw bytes that the other end has dealt with. */
  readonly bytes: number;
  readonly durationMs: number;
  /** How often a connection was tried for it, the first time included. */
  readonly attempts: number;
  /** How often it went on over another connection. */
  readonly reconnects: number;
}

/** Told of each transfer, once. */
export type TransferObserver = (report: TransferReport) => void;
