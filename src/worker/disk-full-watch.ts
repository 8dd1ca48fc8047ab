import { DiskFullError } from '../errors/transfer.ts';
import { SilenceWatch } from '../internal/silence-watch.ts';
import type { Clock, Logger } from '../runtime/options.ts';

export interface DiskFullWatchOptions {
  readonly handle: string;
  readonly podName: string;
  readonly processId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when nothing was gained for a minute. */
  readonly failed: (error: DiskFullError) => void;
}

/** How long a full disk may keep a process from any progress. */
const patienceMs = 60_000;

/** Watches a process whose output or result the agent cannot store for lack of space: it may wait for good. */
export class DiskFullWatch {
  readonly #options: DiskFullWatchOptions;
  #silence: SilenceWatch | undefined;

  constructor(options: DiskFullWatchOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#silence !== undefined;
  }

  begin(): void {
    const { handle, podName, processId, clock, logger, failed } = this.#options;
    if (this.isFull) return;
    logger.warn('disk full, process waits', { handle, podName, processId });
    const silent = (): void => {
      this.end();
      failed(
        new DiskFullError(
          { podName },
          `process ${processId} in container ${handle} made no progress for ${patienceMs} ms`,
        ),
      );
    };
    this.#silence = new SilenceWatch({ clock, limitMs: patienceMs, silent });
  }

  /** Output was delivered, and the agent may free it. */
  progressed(): void {
    this.#silence?.touch();
  }

  /** There is space again, or nothing to watch any more. Idempotent. */
  end(): void {
    this.#silence?.stop();
    this.#silence = undefined;
  }
}
