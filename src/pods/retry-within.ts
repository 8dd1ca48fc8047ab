import { isRetryable, retryAfterMs } from '../errors/error-code.ts';
import { backoffMs } from '../internal/backoff.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';

/** When work is tried again, and for how long. */
export interface RetryOptions extends AbortOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long after the first attempt an error of this kind still leads to another one, in milliseconds. */
  readonly budgetMs: (error: unknown) => number;
  /** Called after each failure, before anything is decided. What it rejects with ends the work. */
  readonly failed?: ((error: unknown) => Promise<void>) | undefined;
}

const backoff = { firstMs: 100, longestMs: 5_000 };
const longestRetryAfterMs = 10_000;

/** Does work that may be repeated, again and again while what it fails with may pass and its time is not over. */
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
      logger.debug('tried again', { retry, error });
      await clock.sleep(Math.max(backoffMs(retry, backoff), Math.min(retryAfterMs(error) ?? 0, longestRetryAfterMs)), {
        signal,
      });
    }
  }
}
