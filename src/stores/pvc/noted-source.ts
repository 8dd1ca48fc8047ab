import { endSource } from '../../internal/end-source.ts';

/** The source of a write. Remembers its own failure, to distinguish it from those of the store. */
export class NotedSource implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  #iterator: AsyncIterator<Uint8Array> | undefined;
  #failure: { readonly reason: unknown } | undefined;
  #hasEnded = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  /** Whether the source was opened, so that it cannot be read again. */
  get isOpen(): boolean {
    return this.#iterator !== undefined;
  }

  /** Whether the source itself has failed with this error. */
  hasFailedWith(error: unknown): boolean {
    return this.#failure !== undefined && this.#failure.reason === error;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    const iterator = this.#source[Symbol.asyncIterator]();
    this.#iterator = iterator;
    return {
      next: async () => await this.#next(iterator),
      return: async () => {
        this.end();
        return { done: true, value: undefined };
      },
    };
  }

  /** Ends the source if it was not read to its end. Idempotent. */
  end(reason?: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    endSource(this.#source, reason, this.#iterator);
  }

  async #next(iterator: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    try {
      const next = await iterator.next();
      this.#hasEnded ||= next.done === true;
      // The source may use its buffer again when it is asked for the next chunk.
      return next.value instanceof Uint8Array ? { done: false, value: Uint8Array.from(next.value) } : next;
    } catch (reason) {
      this.#failure = { reason };
      this.#hasEnded = true;
      throw reason;
    }
  }
}
