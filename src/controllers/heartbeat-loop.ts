import { WorkerNotRunningError } from '../errors/worker.ts';
import { RetryPace } from '../retry/retry-pace.ts';
import type { Clock, Logger } from '../runtime/options.ts';
import type { PassRecord } from './pass-record.ts';
import type { Registrar } from './registrar.ts';

export interface HeartbeatLoopComponents {
  readonly workerName: string;
  readonly registrar: Pick<Registrar, 'heartbeat'>;
  /** The time between the beginnings of two heartbeats, in milliseconds. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** @defaultValue none */
  readonly record?: PassRecord | undefined;
}

/** Covers the duration of a heartbeat, and a retry. */
const expiryMarginMs = 15_000;
/** The longest wait before a retry. A cluster that is back is noticed within this time. */
const longestRetryMs = 15_000;

/** Returns how long a heartbeat lasts: long enough for one failed heartbeat in between. */
export function heartbeatExpiryMs(everyMs: number): number {
  return 2 * everyMs + expiryMarginMs;
}

/**
 * Sends heartbeats: the first one at once, then one in each period, and earlier after a failure.
 * Ends when the worker no longer exists.
 */
export class HeartbeatLoop {
  readonly #components: HeartbeatLoopComponents;
  readonly #closing = new AbortController();
  readonly #pace: RetryPace;
  #running: Promise<void> | undefined;

  constructor(components: HeartbeatLoopComponents) {
    this.#components = components;
    const { clock, everyMs } = components;
    const longestMs = Math.min(everyMs, longestRetryMs);
    this.#pace = new RetryPace({ clock, backoff: { firstMs: Math.min(1_000, longestMs), longestMs } });
  }

  start(): void {
    this.#running ??= this.#run(this.#closing.signal);
  }

  /** Aborts the current heartbeat. Resolves when it has ended. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) if (!(await this.#pass(signal))) return;
    } catch (error) {
      // Only the signal ends a wait.
      if (!signal.aborted) throw error;
    }
  }

  /** Sends one heartbeat and waits until the next one is due. Returns `false` after the last one. */
  async #pass(signal: AbortSignal): Promise<boolean> {
    const { workerName, registrar, everyMs, clock, logger, record } = this.#components;
    const nextAt = clock.now() + everyMs;
    record?.began();
    try {
      const worker = await registrar.heartbeat({ signal });
      record?.succeeded();
      if (worker === undefined) return false;
    } catch (error) {
      if (signal.aborted) return false;
      if (error instanceof WorkerNotRunningError) {
        logger.info('heartbeats end: the worker no longer exists', { workerName });
        return false;
      }
      record?.failed(error);
      const level = this.#pace.retries === 0 ? 'warn' : 'debug';
      logger[level]('heartbeat failed', { workerName, error });
      await this.#pace.wait(error, { signal });
      return true;
    }
    if (this.#pace.retries > 0) logger.info('heartbeats continue', { workerName });
    this.#pace.renew();
    await clock.sleep(Math.max(0, nextAt - clock.now()), { signal });
    return true;
  }
}
