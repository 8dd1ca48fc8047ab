import { within } from '../internal/within.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { ReapResult } from '../runtime/reap-result.ts';
import type { PassRecord } from './pass-record.ts';
import type { Reaper } from './reaper.ts';

export interface KeySweepLoopComponents {
  readonly workerName: string;
  readonly reaper: Pick<Reaper, 'sweepStores'>;
  /** The time between two sweeps, in milliseconds. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** @defaultValue none */
  readonly record?: PassRecord | undefined;
  /** Returns a number in `[0, 1)`. @defaultValue `Math.random` */
  readonly random?: (() => number) | undefined;
}

/** A sweep that takes longer is aborted. A store with a million archives is listed within minutes. */
const sweepMs = 30 * 60 * 1000;
/** The part of a period by which a wait varies, so that hosts do not list a store at the same time. */
const jitter = 0.2;

/**
 * Lists the archive stores from time to time, and deletes the keys without an archive. Passes of the
 * reaper do not wait for it. Each host has its own loop: two sweeps at once do no harm.
 */
export class KeySweepLoop {
  readonly #components: KeySweepLoopComponents;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  constructor(components: KeySweepLoopComponents) {
    this.#components = components;
  }

  /** Begins. The first sweep follows at a random time of the first period. */
  start(): void {
    this.#running ??= this.#run(this.#closing.signal);
  }

  /** Aborts the current sweep. Resolves when it has ended. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { everyMs, clock, random = Math.random } = this.#components;
    let waitMs = everyMs * random();
    while (!signal.aborted) {
      await clock.sleep(waitMs, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await this.#sweep({ signal });
      waitMs = everyMs * (1 - jitter / 2 + jitter * random());
    }
  }

  async #sweep({ signal }: AbortOptions): Promise<void> {
    const { workerName, reaper, clock, logger, record } = this.#components;
    record?.began();
    try {
      const sweep = (sweeping: AbortSignal): Promise<Pick<ReapResult, 'deletedKeys'>> =>
        reaper.sweepStores({ signal: sweeping });
      const { deletedKeys } = await within(sweepMs, clock, sweep, signal);
      record?.succeeded();
      if (deletedKeys > 0) logger.info('stores swept', { workerName, deletedKeys });
    } catch (error) {
      if (signal?.aborted === true) return;
      record?.failed(error);
      logger.warn('sweep of the stores failed', { workerName, error });
    }
  }
}
