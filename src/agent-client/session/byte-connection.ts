/**
 * What the session needs of a connection to an agent: bytes both ways, in order. `src/exec/` has one over a Kubernetes exec, the tests have one
 * over pipes. The session always reads, so there is no way to pause it; windows bound what can arrive.
 */
export interface ByteConnection {
  /** Called once, before anything else. Nothing is lost that arrives before. */
  start(handlers: ByteConnectionHandlers): void;
  /** Resolves when the bytes have left this process's queue; rejects when the connection has ended. The bytes must not be changed before. */
  write(chunks: readonly Uint8Array[]): Promise<void>;
  /** Lets go of it at once. Idempotent. `end` is not called any more. */
  close(): void;
}

export interface ByteConnectionHandlers {
  /** The chunk is the callee's. */
  data(chunk: Uint8Array): void;
  /** Called once, when no more can come; `reason` is a typed error that says why. */
  end(reason: Error): void;
}
