import { addAbortListener } from 'node:events';

import type { AbortOptions } from '../runtime/options.ts';

/** Lets a number of holders in at once; the others wait in the order in which they came. */
export class Semaphore {
  #free: number;
  readonly #waiting = new Set<(entered: boolean) => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves with the function that gives the place back, which may be called more than once. Rejects with the signal's reason. */
  async acquire({ signal }: AbortOptions = {}): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else if (!(await this.#turn(signal))) throw signal?.reason;
    let held = true;
    return () => {
      if (held) this.#release();
      held = false;
    };
  }

  async #turn(signal: AbortSignal | undefined): Promise<boolean> {
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
