import { isKubernetesWorkerError } from '../../errors/error-code.ts';
import { OperationLostError } from '../../errors/transfer.ts';
import { type Backoff, backoffMs } from '../../internal/backoff.ts';
import type { AbortOptions, Clock } from '../../runtime/options.ts';
import { AgentFailure } from '../wire/agent-error.ts';

export interface RepeatedlyOptions extends AbortOptions {
  readonly clock: Clock;
  /** Called before each further beginning, with what the one before failed with. */
  readonly begunAnew: (reason: unknown) => void;
}

/** A pod whose container is killed again and again is no place for a transfer. */
const MAX_LOSSES = 3;
/** Housekeeping like that of git takes some seconds; a file that is written all the time is never quiet. */
const MAX_CHANGES = 6;
const CHANGE_BACKOFF: Backoff = { firstMs: 100, longestMs: 2_000 };

/**
 * Does a whole transfer, and begins it anew a bounded number of times: at once where an agent has lost what it had of it, and
 * after a wait that grows where a file changed while it was read. Rejects with what the last one failed with, or with the
 * signal's reason.
 */
export async function repeatedly<T>(
  work: () => Promise<T>,
  { clock, begunAnew, signal }: RepeatedlyOptions,
): Promise<T> {
  for (let [losses, changes] = [0, 0]; ; ) {
    try {
      return await work();
    } catch (error) {
      const [isLost, isChanged] = [isGone(error), hasChanged(error)];
      if (signal?.aborted === true || !(isLost || isChanged)) throw error;
      losses += isLost ? 1 : 0;
      changes += isChanged ? 1 : 0;
      if (losses > MAX_LOSSES || changes > MAX_CHANGES) throw error;
      if (isChanged) await clock.sleep(backoffMs(changes - 1, CHANGE_BACKOFF), { signal });
      begunAnew(error);
    }
  }
}

function isGone(error: unknown): boolean {
  return (
    error instanceof OperationLostError && error.cause instanceof AgentFailure && error.cause.code === 'OPERATION_GONE'
  );
}

function hasChanged(error: unknown): boolean {
  return isKubernetesWorkerError(error) && error.code === 'KW_ERR_FILE_CHANGED';
}
