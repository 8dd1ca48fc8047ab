import { isRetryable, retryAfterMs } from '../errors/error-code.ts';
import { backoffMs } from '../internal/backoff.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';

/** When work is retried, and for how long. */
export interface RetryOptions extends AbortOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long after the first attempt this error is still retried, in milliseconds. */
  readonly budgetMs: (error: unknown) => number;
  /**
   * Called after each failure, before the decision to retry. A rejection ends the work with its
   * error.
   */
  readonly failed?: ((error: unknown) => Promise<void>) | undefined;
}

const backoff = { firstMs: 100, longestMs: 5_000 };
const longestRetryAfterMs = 10_000;

/**
 * Runs idempotent work. Retries after retryable errors with backoff until the budget is used up.
 */
export async function retryWithin<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock, logger, signal, budgetMs, failed } = options;
  const startedAt = clock.now();
  for (let retry = 0; ; retry += 1) {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      await failed?.(error);
      if (!isRetryable(error) || clock.now() - startedAt > budgetMs(error)) throw error;
      logger.debug('retrying', { retry, error });
      await clock.sleep(Math.max(backoffMs(retry, backoff), Math.min(retryAfterMs(error) ?? 0, longestRetryAfterMs)), {
        signal,
      });
    }
  }
}
