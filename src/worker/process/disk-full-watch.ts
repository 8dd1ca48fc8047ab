import { DiskFullError } from '../../errors/transfer.ts';
import { SilenceWatch } from '../../internal/silence-watch.ts';
import type { Clock, Logger } from '../../runtime/options.ts';

export interface DiskFullWatchOptions {
  readonly handle: string;
  readonly podName: string;
  readonly processId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called after a minute without progress. */
  readonly failed: (error: DiskFullError) => void;
}

/** How long a process may make no progress on a full disk. */
const noProgressLimitMs = 60_000;

/**
 * Fails a process that makes no progress while the agent has no disk space for its output or its
 * result. Such a process could wait forever.
 */
export class DiskFullWatch {
  readonly #options: DiskFullWatchOptions;
  #silence: SilenceWatch | undefined;

  constructor(options: DiskFullWatchOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#silence !== undefined;
  }

  /** Starts the watch. Idempotent. */
  begin(): void {
    const { handle, podName, processId, clock, logger, failed } = this.#options;
    if (this.isFull) return;
    logger.warn('disk full, process blocked', { handle, podName, processId });
    const silent = (): void => {
      this.end();
      failed(
        new DiskFullError(
          { podName },
          `process ${processId} in container ${handle} made no progress for ${noProgressLimitMs} ms`,
        ),
      );
    };
    this.#silence = new SilenceWatch({ clock, limitMs: noProgressLimitMs, silent });
  }

  /** Restarts the time-out: output was delivered, so the agent can free its space. */
  progressed(): void {
    this.#silence?.touch();
  }

  /** Stops the watch. Idempotent. */
  end(): void {
    this.#silence?.stop();
    this.#silence = undefined;
  }
}
