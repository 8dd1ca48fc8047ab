import { ClosedError } from '../../errors/caller.ts';
import type { OutputChunk, ProcessIO, UndeliveredOutput } from '../../runtime/process.ts';
import type { ProcessOutputSink } from './process-output-sink.ts';

/**
 * Delivers one stream of a process's output to a function of the host. After the function fails,
 * the sink discards further output and keeps the failure; the command continues.
 */
export class ChunkSink implements ProcessOutputSink {
  readonly #stream: 'stdout' | 'stderr';
  readonly #output: NonNullable<ProcessIO['output']>;
  readonly #released = Promise.withResolvers<'released'>();
  #failure: UndeliveredOutput | undefined;

  constructor(stream: 'stdout' | 'stderr', output: NonNullable<ProcessIO['output']>) {
    this.#stream = stream;
    this.#output = output;
  }

  get failure(): UndeliveredOutput | undefined {
    return this.#failure;
  }

  /**
   * Resolves when the host has accepted the chunk or has failed.
   *
   * @throws ClosedError - the sink was released before. The chunk does not count as delivered
   */
  async deliver(bytes: Uint8Array, offset: number): Promise<void> {
    if (this.#failure !== undefined) return;
    const end = await Promise.race([this.#accepted({ stream: this.#stream, offset, bytes }), this.#released.promise]);
    if (end === 'released') throw new ClosedError(`${this.#stream} of the process`);
  }

  /** Resolves at once: `deliver` waits for each chunk. */
  async flush(): Promise<void> {}

  release(): void {
    this.#released.resolve('released');
  }

  async #accepted(chunk: OutputChunk): Promise<void> {
    try {
      await this.#output(chunk);
    } catch (cause) {
      this.#failure ??= { stream: this.#stream, cause };
    }
  }
}
