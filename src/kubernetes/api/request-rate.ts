import type { AbortOptions, Clock } from '../../runtime/options.ts';

export interface RequestRateOptions {
  readonly clock: Clock;
  /** How many requests may begin per second, on average. */
  readonly perSecond: number;
  /** How many requests may begin at once after a pause. */
  readonly burst: number;
}

/** Limits how many requests begin. Further ones wait in their order. */
export class RequestRate {
  readonly #options: RequestRateOptions;
  /** When the next request may begin without a burst. */
  #freeAt = -Infinity;
  #lastAt = -Infinity;

  constructor(options: RequestRateOptions) {
    this.#options = options;
  }

  /** Resolves when a request may begin. Rejects with the signal's reason. */
  async take({ signal }: AbortOptions): Promise<void> {
    const { clock, perSecond, burst } = this.#options;
    const intervalMs = 1_000 / perSecond;
    const now = clock.now();
    // A clock that is set back moves what was granted before with it.
    if (now < this.#lastAt) this.#freeAt -= this.#lastAt - now;
    this.#lastAt = now;
    const beginsAt = Math.max(this.#freeAt, now - (burst - 1) * intervalMs);
    this.#freeAt = beginsAt + intervalMs;
    if (beginsAt > now) await clock.sleep(beginsAt - now, { signal });
  }
}
