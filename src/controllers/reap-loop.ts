import { renewedDuring } from '../internal/renewed.ts';
import { within } from '../internal/within.ts';
import type { WorkerRepository } from '../repository/worker-repository.ts';
import type { Clock, Logger } from '../runtime/options.ts';
import type { ReapResult } from '../runtime/reap-result.ts';
import type { UpkeepObserver } from '../telemetry/upkeep-metrics.ts';
import type { PassRecord } from './pass-record.ts';
import type { Reaper } from './reaper.ts';

export interface ReapLoopComponents {
  readonly workerName: string;
  readonly reaper: Pick<Reaper, 'reap'>;
  readonly workers: Pick<WorkerRepository, 'beginReap' | 'renewReap' | 'endReap'>;
  /** The time between two passes, in milliseconds. */
  readonly everyMs: number;
  /** A name that no other loop uses. */
  readonly holder: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** @defaultValue none */
  readonly record?: PassRecord | undefined;
  /** @defaultValue none */
  readonly upkeep?: Pick<UpkeepObserver, 'leads'> | undefined;
  /** Returns a number in `[0, 1)`. @defaultValue `Math.random` */
  readonly random?: (() => number) | undefined;
}

/** A pass begins no further deletion after this time. The next pass continues. */
const budgetMs = 110_000;
/** A pass that still waits for a statement is aborted. */
const passMs = 120_000;
/** How soon another host continues after this one has died. */
const leaseMs = 15_000;
const renewEveryMs = leaseMs / 3;
/** How long an additional pass waits for further owners to finish. */
const soonMs = 500;

/**
 * Runs passes of the reaper: one in each period, and one soon after an owner has finished. Of the
 * hosts of a worker, one at a time runs a pass, and a period has one pass. Two concurrent passes
 * would be harmless, but would repeat the same work.
 */
export class ReapLoop {
  readonly #components: ReapLoopComponents;
  readonly #closing = new AbortController();
  #isHurried = false;
  /** Ends the wait for a request. */
  #wake: (() => void) | undefined;
  #running: Promise<void> | undefined;

  constructor(components: ReapLoopComponents) {
    this.#components = components;
  }

  /** Begins. The first pass follows within one period. */
  start(): void {
    this.#running ??= this.#run(this.#closing.signal);
  }

  /** Requests an additional pass, which deletes rows that are marked. */
  hurry(): void {
    this.#isHurried = true;
    this.#wake?.();
  }

  /** Aborts the current pass. Resolves when it has ended. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { everyMs, clock, random = Math.random } = this.#components;
    let nextAt = clock.now() + everyMs * random();
    while (!signal.aborted) {
      await this.#wait(nextAt, signal);
      if (signal.aborted) return;
      const isInTurn = clock.now() >= nextAt;
      if (isInTurn) nextAt = clock.now() + everyMs;
      this.#isHurried = false;
      await this.#pass(isInTurn, signal);
    }
  }

  /** Resolves when a pass is due, or when the signal aborts. */
  async #wait(nextAt: number, closing: AbortSignal): Promise<void> {
    const { clock } = this.#components;
    const hurried = Promise.withResolvers<void>();
    this.#wake = hurried.resolve;
    if (this.#isHurried) hurried.resolve();
    const done = new AbortController();
    const signal = AbortSignal.any([closing, done.signal]);
    const soon = hurried.promise.then(() => clock.sleep(soonMs, { signal }));
    const inTurn = clock.sleep(Math.max(0, nextAt - clock.now()), { signal });
    await Promise.race([soon.catch(() => undefined), inTurn.catch(() => undefined)]);
    this.#wake = undefined;
    done.abort();
  }

  async #pass(isInTurn: boolean, signal: AbortSignal): Promise<void> {
    const { workerName, reaper, workers, everyMs, holder, clock, logger, upkeep, record } = this.#components;
    try {
      // Hosts whose periods begin at other times do not repeat a pass of this period.
      const sinceMs = isInTurn ? everyMs * 0.9 : 0;
      const leads = await workers.beginReap(workerName, { holder, durationMs: leaseMs }, { sinceMs, signal });
      if (isInTurn) upkeep?.leads(leads);
      if (!leads) return;
      record?.began();
    } catch (error) {
      if (signal.aborted) return;
      record?.failed(error);
      logger.warn('pass of the reaper not begun', { workerName, error });
      return;
    }
    try {
      const reap = (passing: AbortSignal): Promise<ReapResult> =>
        reaper.reap({ signal: passing, budgetMs, findUnknown: isInTurn });
      const renew = (renewing: AbortSignal): Promise<boolean> =>
        workers.renewReap(workerName, { holder, durationMs: leaseMs }, { signal: renewing });
      const result = await renewedDuring({ renew, everyMs: renewEveryMs, clock }, () =>
        within(passMs, clock, reap, signal),
      );
      const { complete, ...counts } = result;
      if (complete) record?.succeeded();
      if (Object.values(counts).some((count) => count > 0)) logger.info('reaped', { workerName, ...result });
    } catch (error) {
      if (signal.aborted) return;
      record?.failed(error);
      logger.warn('pass of the reaper failed', { workerName, error });
    } finally {
      await workers
        .endReap(workerName, holder)
        .catch((error: unknown) => logger.warn('lease of the reaper not released', { workerName, error }));
    }
  }
}
