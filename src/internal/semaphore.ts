import { addAbortListener } from 'node:events';

import type { AbortOptions } from '../runtime/options.ts';

/** Limits the number of concurrent holders. Further callers wait in the order of their calls. */
export class Semaphore {
  readonly limit: number;
  #free: number;
  readonly #waiting = new Set<(entered: boolean) => void>();

  constructor(count: number) {
    this.limit = count;
    this.#free = count;
  }

  /** The number of places that are held. */
  get used(): number {
    return this.limit - this.#free;
  }

  /** The number of callers that wait for a place. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves with an idempotent function that releases the place. Rejects with the signal's reason.
   */
  async acquire({ signal }: AbortOptions = {}): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else if (!(await this.#waitForPlace(signal))) throw signal?.reason;
    let held = true;
    return () => {
      if (held) this.#release();
      held = false;
    };
  }

  async #waitForPlace(signal: AbortSignal | undefined): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.add(resolve);
    if (signal === undefined) return promise;
    using _listener = addAbortListener(signal, () => {
      if (this.#waiting.delete(resolve)) resolve(false);
    });
    return await promise;
  }

  #release(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(next);
    next(true);
  }
}
