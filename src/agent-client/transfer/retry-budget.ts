import { retryAfterMs } from '../../errors/error-code.ts';
import { type Backoff, backoffMs } from '../../internal/backoff.ts';
import type { AbortOptions, Clock } from '../../runtime/options.ts';

export interface RetryBudgetOptions {
  readonly clock: Clock;
  /** How long trying may go on without anything gained, in milliseconds. */
  readonly retryBudgetMs: number;
  readonly retryBackoff: Backoff;
}

/** More than one try can take: a clock that was set, or a program that was stopped for a while, spends no more than this at once. */
const LONGEST_STEP_MS = 60_000;

/** How long to go on trying: a time without progress, which each progress gives back. */
export class RetryBudget {
  readonly #options: RetryBudgetOptions;
  #retries = 0;
  #spentMs = 0;
  #lastAt: number | undefined;

  constructor(options: RetryBudgetOptions) {
    this.#options = options;
  }

  /** Something was gained. */
  renew(): void {
    this.#retries = 0;
    this.#spentMs = 0;
    this.#lastAt = undefined;
  }

  /** After a failure: waits before the next try, as long as whoever refused has asked for; `false` when the budget is spent. Rejects with the signal's reason. */
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
