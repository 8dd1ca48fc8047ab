import { isKubernetesWorkerError } from '../../errors/error-code.ts';
import { OperationLostError } from '../../errors/transfer.ts';
import type { Backoff } from '../../retry/backoff.ts';
import { retry } from '../../retry/retry.ts';
import { RetryPace } from '../../retry/retry-pace.ts';
import type { AbortOptions, Clock } from '../../runtime/options.ts';
import { AgentFailure } from '../wire/agent-error.ts';

export interface RepeatedlyOptions extends AbortOptions {
  readonly clock: Clock;
  /** Called before each restart, with the error of the previous run. */
  readonly restarting: (reason: unknown) => void;
}

/** A pod that loses its container again and again cannot complete a transfer. */
const MAX_LOSSES = 3;
/** Housekeeping such as git's takes a few seconds; a constantly written file never settles. */
const MAX_CHANGES = 6;
const CHANGE_BACKOFF: Backoff = { firstMs: 100, longestMs: 2_000 };

/**
 * Runs a whole transfer, and restarts it a bounded number of times: at once where an agent has lost
 * the operation, and after a growing wait where a file changed during the read. Rejects with the
 * error of the last run, or with the signal's reason.
 */
export async function repeatedly<T>(
  work: () => Promise<T>,
  { clock, restarting, signal }: RepeatedlyOptions,
): Promise<T> {
  const pace = new RetryPace({ clock, backoff: CHANGE_BACKOFF });
  let losses = 0;
  return await retry(work, {
    pace,
    signal,
    decide: (error) => {
      const isLost = isOperationGone(error);
      losses += isLost ? 1 : 0;
      if (!(isLost || hasChanged(error)) || losses > MAX_LOSSES || pace.retries >= MAX_CHANGES) throw error;
      restarting(error);
      return isLost ? 'at once' : 'wait';
    },
  });
}

function isOperationGone(error: unknown): boolean {
  return (
    error instanceof OperationLostError && error.cause instanceof AgentFailure && error.cause.code === 'OPERATION_GONE'
  );
}

function hasChanged(error: unknown): boolean {
  return isKubernetesWorkerError(error) && error.code === 'KW_ERR_FILE_CHANGED';
}
