import { isRetryable } from '../errors/error-code.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { RetryPace } from './retry-pace.ts';

/** `wait`: retries after a wait, unless the budget is spent. `at once`: retries immediately. */
export type RetryDecision = 'wait' | 'at once';

export interface RetryOptions extends AbortOptions {
  readonly pace: RetryPace;
  /**
   * Called after each failure. Returns how to continue, or throws the error that ends the work.
   */
  readonly decide: (failure: unknown) => RetryDecision | Promise<RetryDecision>;
  /** Returns a promise that ends a wait early when it resolves. */
  readonly until?: (() => Promise<void>) | undefined;
}

/**
 * Runs idempotent work until it succeeds, until `decide` throws, or until the pace's budget is
 * spent. Rejects with the last failure in the latter case, and with the signal's reason after an
 * abort.
 */
export async function retry<T>(work: () => Promise<T>, { pace, signal, decide, until }: RetryOptions): Promise<T> {
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (failure) {
      signal?.throwIfAborted();
      const decision = await decide(failure);
      if (decision === 'wait' && !(await pace.wait(failure, { signal, until: until?.() }))) throw failure;
    }
  }
}

/** Decides by the error alone: waits if it is retryable, and throws every other error. */
export function waitIfRetryable(failure: unknown): 'wait' {
  if (!isRetryable(failure)) throw failure;
  return 'wait';
}
