/** The limits of a server. Times are in milliseconds. */
export interface HttpLimits {
  /** How long a client may take to send the headers of a request. */
  readonly headersTimeoutMs: number;
  /** How long a client may take to send a whole request. */
  readonly requestTimeoutMs: number;
  /** How long a connection without a request stays open. Above the period of probes. */
  readonly keepAliveTimeoutMs: number;
  /** How long a client may accept no byte of a response. */
  readonly stallMs: number;
  /** How long a stream may last. */
  readonly maxStreamMs: number;
  /** How long a handler may take until its response begins. */
  readonly handlerTimeoutMs: number;
  /** How often the timeouts of clients are checked. */
  readonly checkEveryMs: number;
  readonly maxHeaderBytes: number;
  readonly maxUrlLength: number;
  readonly maxConnections: number;
  readonly maxRequestsPerConnection: number;
  /** How many guarded requests run at once, those that stream included. */
  readonly maxConcurrent: number;
}

export const defaultLimits: HttpLimits = {
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  keepAliveTimeoutMs: 15_000,
  stallMs: 30_000,
  maxStreamMs: 3_600_000,
  handlerTimeoutMs: 10_000,
  checkEveryMs: 1_000,
  maxHeaderBytes: 8_192,
  maxUrlLength: 2_048,
  maxConnections: 256,
  maxRequestsPerConnection: 1_000,
  maxConcurrent: 64,
};
