import { retryAfterMs } from '../errors/error-code.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';
import { type Backoff, backoffMs } from './backoff.ts';

export interface RetryPaceOptions {
  readonly clock: Clock;
  readonly backoff: Backoff;
  /**
   * How long retries may continue without progress, in milliseconds, counted from the first
   * failure. A function returns the limit for the latest failure.
   *
   * @defaultValue no limit
   */
  readonly budgetMs?: number | ((failure: unknown) => number) | undefined;
}

export interface RetryWaitOptions extends AbortOptions {
  /** Ends the wait early when it resolves. */
  readonly until?: Promise<void> | undefined;
}

/**
 * Longer than one attempt can take. A changed clock, or a suspended program, spends at most this
 * part of the budget at once.
 */
const longestStepMs = 60_000;
/** The maximum delay that a server can impose on a retry. */
const longestRetryAfterMs = 10_000;

/** Waits between retries, and limits their time. Progress restores both. */
export class RetryPace {
  readonly #options: RetryPaceOptions;
  #retries = 0;
  #spentMs = 0;
  #lastAt: number | undefined;

  constructor(options: RetryPaceOptions) {
    this.#options = options;
  }

  /** The number of waits since the start or the last progress. */
  get retries(): number {
    return this.#retries;
  }

  /** Restores the whole budget and the shortest wait after progress. */
  renew(): void {
    this.#retries = 0;
    this.#spentMs = 0;
    this.#lastAt = undefined;
  }

  /**
   * Waits after a failure before the next attempt, at least for the delay that the failure
   * requests. Returns `false` when the budget is spent. Rejects with the signal's reason.
   */
  async wait(failure: unknown, { signal, until }: RetryWaitOptions = {}): Promise<boolean> {
    const { clock, backoff, budgetMs = Infinity } = this.#options;
    const now = clock.now();
    if (this.#lastAt !== undefined) this.#spentMs += Math.min(Math.max(0, now - this.#lastAt), longestStepMs);
    this.#lastAt = now;
    const leftMs = (typeof budgetMs === 'number' ? budgetMs : budgetMs(failure)) - this.#spentMs;
    if (leftMs <= 0) return false;
    const requestedMs = Math.min(retryAfterMs(failure) ?? 0, longestRetryAfterMs);
    const delayMs = Math.min(Math.max(backoffMs(this.#retries, backoff), requestedMs), leftMs);
    this.#retries += 1;
    const slept = clock.sleep(delayMs, { signal });
    await (until === undefined ? slept : Promise.race([slept, until]));
    return true;
  }
}
