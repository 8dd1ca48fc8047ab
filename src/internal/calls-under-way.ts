import type { AbortOptions } from '../runtime/options.ts';

/** Tracks calls that must end before their resources are closed. */
export class CallsUnderWay {
  readonly #calls = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  /**
   * Runs the work of one call. Its signal aborts with the caller's signal and its reason, and at
   * `close`.
   */
  async run<T>(work: (signal: AbortSignal) => Promise<T>, { signal }: AbortOptions): Promise<T> {
    const closing = this.#closing.signal;
    const call = work(signal === undefined ? closing : AbortSignal.any([signal, closing]));
    this.#calls.add(call);
    try {
      return await call;
    } finally {
      this.#calls.delete(call);
    }
  }

  /** Aborts all calls with the reason. Resolves when all have ended. */
  async close(reason: Error): Promise<void> {
    this.#closing.abort(reason);
    await Promise.allSettled(this.#calls);
  }
}
