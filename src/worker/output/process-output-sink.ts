import type { UndeliveredOutput } from '../../runtime/process.ts';

/** Where one stream of a process's output goes. */
export interface ProcessOutputSink {
  readonly failure: UndeliveredOutput | undefined;
  /** Resolves when the host can take more. After a failure it discards the chunk. */
  deliver(chunk: Uint8Array, offset: number): Promise<void>;
  /** Resolves when the host has accepted all chunks, or has failed. */
  flush(): Promise<void>;
  /** Releases the host's receiver. Idempotent. */
  release(): void;
}
