import { retryAfterMs } from '../../errors/error-code.ts';
import { type Backoff, backoffMs } from '../../internal/backoff.ts';
import type { AbortOptions, Clock } from '../../runtime/options.ts';

export interface RetryBudgetOptions {
  readonly clock: Clock;
  /** How long retries may continue without progress, in milliseconds. */
  readonly retryBudgetMs: number;
  readonly retryBackoff: Backoff;
}

/**
 * Longer than one try can take. A changed clock, or a program that was suspended, spends no more
 * than this at once.
 */
const LONGEST_STEP_MS = 60_000;

/** Limits the time of retries without progress. Progress renews the budget. */
export class RetryBudget {
  readonly #options: RetryBudgetOptions;
  #retries = 0;
  #spentMs = 0;
  #lastAt: number | undefined;

  constructor(options: RetryBudgetOptions) {
    this.#options = options;
  }

  /** Restores the whole budget after progress. */
  renew(): void {
    this.#retries = 0;
    this.#spentMs = 0;
    this.#lastAt = undefined;
  }

  /**
   * Waits after a failure before the next try, at least for the failure's retry-after time. Returns
   * `false` when the budget is spent. Rejects with the signal's reason.
   */
  async wait(failure: unknown, { signal }: AbortOptions): Promise<boolean> {
    const { clock, retryBudgetMs, retryBackoff } = this.#options;
    const now = clock.now();
    if (this.#lastAt !== undefined) this.#spentMs += Math.min(Math.max(0, now - this.#lastAt), LONGEST_STEP_MS);
    this.#lastAt = now;
    const leftMs = retryBudgetMs - this.#spentMs;
    if (leftMs <= 0) return false;
    const delayMs = Math.max(backoffMs(this.#retries, retryBackoff), retryAfterMs(failure) ?? 0);
    this.#retries += 1;
    await clock.sleep(Math.min(delayMs, leftMs), { signal });
    return true;
  }
}
