import type { AbortOptions } from '../runtime/options.ts';

/** Calls that have to end in order before what they work with is closed. */
export class CallsUnderWay {
  readonly #calls = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  /** Does the work of one call. Its signal is aborted by the caller's, with that one's reason, and by `close`. */
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

  /** Aborts all calls with the reason, and resolves when each has ended. */
  async close(reason: Error): Promise<void> {
    this.#closing.abort(reason);
    await Promise.allSettled(this.#calls);
  }
}
