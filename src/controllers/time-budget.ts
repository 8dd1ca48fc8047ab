import type { AbortOptions, Clock } from '../runtime/options.ts';

/**
 * Limits the time of a pass. Aborts its signal when the time has passed, or together with the
 * caller's.
 */
export class TimeBudget implements Disposable {
  /** `undefined` if nothing limits the pass. */
  readonly signal: AbortSignal | undefined;
  readonly #spent = new AbortController();
  readonly #done = new AbortController();

  constructor(limitMs: number | undefined, clock: Clock, { signal }: AbortOptions) {
    this.signal = signal;
    if (limitMs === undefined) return;
    this.signal = signal === undefined ? this.#spent.signal : AbortSignal.any([signal, this.#spent.signal]);
    clock.sleep(limitMs, { signal: this.#done.signal }).then(
      () => this.#spent.abort(),
      () => undefined,
    );
  }

  /** Whether the error is the rejection of work that the budget has aborted. */
  hasCaused(error: unknown): boolean {
    return this.#spent.signal.aborted && error === this.#spent.signal.reason;
  }

  /** Releases the timer. */
  [Symbol.dispose](): void {
    this.#done.abort();
  }
}
