import type { Clock, Logger, Worker } from '../../index.ts';
import { finishDeadRuns } from '../runs/dead-runs.ts';

const everyMs = 60_000;
/** How soon an object that is not the leader looks again whether it is. */
const followMs = 5_000;

export interface DeadRunLoopParts {
  readonly worker: Pick<Worker, 'leadership' | 'listContainers' | 'reservations' | 'ownerFinished'>;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
}

/** Finishes the owners of dead runs once a minute, in the leader, until the signal aborts. */
export async function runDeadRunLoop(parts: DeadRunLoopParts, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const isLeader = parts.worker.leadership().role === 'leader';
    if (isLeader) await finish(parts, signal);
    await parts.clock.sleep(isLeader ? everyMs : followMs, { signal }).catch(() => undefined);
  }
}

async function finish({ worker, logger }: DeadRunLoopParts, signal: AbortSignal): Promise<void> {
  try {
    for (const { handle, owner } of await finishDeadRuns(worker, signal))
      logger.info('the process of a run has died: its owner has finished', { handle, ownerKey: owner.key });
  } catch (error) {
    if (!signal.aborted) logger.warn('dead runs were not finished', { error });
  }
}
