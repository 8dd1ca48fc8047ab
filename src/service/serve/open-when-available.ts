import { type Clock, InvalidSpecError, type Logger, RepositoryUnavailableError } from '../../index.ts';

export interface OpenTerms<T> {
  readonly open: (signal: AbortSignal) => Promise<T>;
  /** How long failures that may pass are retried, in milliseconds. */
  readonly limitMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

const firstRetryMs = 1_000;
const longestRetryMs = 15_000;

/**
 * Opens the worker, and retries while the database does not answer, or lacks a migration that another
 * program has to apply. Rejects with the last failure when the time is over, with every other failure
 * at once, and with the signal's reason.
 */
export async function openWhenAvailable<T>({ open, limitMs, clock, logger, signal }: OpenTerms<T>): Promise<T> {
  const until = clock.now() + limitMs;
  for (let delayMs = firstRetryMs; ; delayMs = Math.min(2 * delayMs, longestRetryMs)) {
    try {
      return await open(signal);
    } catch (error) {
      signal.throwIfAborted();
      const leftMs = until - clock.now();
      if (!mayPass(error) || leftMs <= 0) throw error;
      logger.warn('the database is not ready: retrying', { reason: error.message, leftMs });
      await clock.sleep(Math.min(delayMs, leftMs), { signal });
    }
  }
}

function mayPass(error: unknown): error is Error {
  if (error instanceof RepositoryUnavailableError) return true;
  return error instanceof InvalidSpecError && error.field === 'migrate';
}
