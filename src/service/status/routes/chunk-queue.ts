/** Passes chunks to one reader, one at a time: `push` resolves when the reader has asked for the next one. */
export class ChunkQueue implements AsyncIterable<Uint8Array> {
  readonly #signal: AbortSignal;
  #chunk: Uint8Array | undefined;
  #hasEnded = false;
  #failure: { readonly error: unknown } | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#notify(), { once: true });
  }

  /** Resolves when the chunk was taken and the reader is ready for another one, or has left. */
  async push(chunk: Uint8Array): Promise<void> {
    if (chunk.byteLength === 0) return;
    while (this.#chunk !== undefined && !this.#isOver) await this.#changed.promise;
    if (this.#isOver) return;
    this.#chunk = chunk;
    this.#notify();
    while (this.#chunk === chunk && !this.#isOver) await this.#changed.promise;
  }

  /** Ends the iteration after the chunks that were pushed. */
  end(): void {
    this.#hasEnded = true;
    this.#notify();
  }

  /** Ends the iteration with an error after the chunks that were pushed. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#notify();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    try {
      for (;;) {
        this.#signal.throwIfAborted();
        const chunk = this.#chunk;
        if (chunk !== undefined) {
          yield chunk;
          this.#chunk = undefined;
          this.#notify();
        } else if (this.#failure !== undefined) throw this.#failure.error;
        else if (this.#hasEnded) return;
        else await this.#changed.promise;
      }
    } finally {
      this.end();
    }
  }

  get #isOver(): boolean {
    return this.#hasEnded || this.#failure !== undefined || this.#signal.aborted;
  }

  #notify(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }
}
