/**
 * A connection to an agent: bytes both ways, in order. `src/exec/` implements it over a Kubernetes
 * exec, the tests over pipes. The session never pauses reading; windows bound what can arrive.
 */
export interface ByteConnection {
  /** Called once, before any other call. Bytes that arrive earlier are kept. */
  start(handlers: ByteConnectionHandlers): void;
  /**
   * Resolves when the bytes have left this process's queue. The caller may change and free them as soon
   * as the call has returned. Rejects when the connection has ended.
   */
  write(chunks: readonly Uint8Array[]): Promise<void>;
  /** Releases the connection at once. `end` is not called afterwards. Idempotent. */
  close(): void;
}

export interface ByteConnectionHandlers {
  /** The chunk is valid only until it returns. */
  data(chunk: Uint8Array): void;
  /** Called once, when the connection has ended; `reason` is a typed error. */
  end(reason: Error): void;
}
