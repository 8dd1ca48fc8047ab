import { QuotaExceededError } from '../errors/cluster.ts';
import { abortable } from '../internal/abort.ts';
import { ChangeSignal } from '../internal/change-signal.ts';
import { backoffMs, callBackoff } from '../retry/backoff.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';
import { QuotaLine, type QuotaMember } from './quota-line.ts';

export interface QuotaQueueOptions {
  readonly clock: Clock;
  /** How long one creation may wait for room, in milliseconds. */
  readonly limitMs: number;
  /** The maximum number of creations that wait. */
  readonly maxWaiting: number;
  /** Called when a creation that waited for room does not any longer, whatever the reason. */
  readonly waited?: ((durationMs: number) => void) | undefined;
  /** Returns a number in `[0, 1)`. @defaultValue `Math.random` */
  readonly random?: (() => number) | undefined;
}

export interface QuotaPlaceOptions extends AbortOptions {
  /** Called after each refusal, with the number of creations that wait before this one. */
  readonly refused?: ((refusal: QuotaExceededError, queued: number) => void) | undefined;
}

/** One creation, until its place is disposed. */
export interface QuotaPlace extends Disposable {
  /**
   * Runs the idempotent work, at once if no creation waits for room, otherwise when it has a turn.
   * Repeats it while a quota refuses. Rejects with every other error of the work at once; a later
   * call continues at the same place. Rejects with the signal's reason while it waits for a turn.
   * Work that has started is not aborted.
   *
   * @throws QuotaExceededError - the quota had no room for `limitMs`, or too many creations wait
   */
  run<T>(work: () => Promise<T>): Promise<T>;
}

/**
 * The creations that wait for room in a quota of the namespace. While one waits, one creation tries
 * at a time, in the turns of `QuotaLine`, with the waits of `callBackoff` between rounds. A success
 * ends the wait.
 */
export class QuotaQueue {
  readonly #options: QuotaQueueOptions;
  readonly #line = new QuotaLine<Creation>();
  readonly #changed = new ChangeSignal();
  #arrivals = 0;
  #isServing = false;
  /** The rounds since a creation succeeded. */
  #rounds = 0;
  /** Ends the wait for the next round. `undefined` if there is none. */
  #wait: AbortController | undefined;
  #latestRefusal: QuotaExceededError | undefined;

  constructor(options: QuotaQueueOptions) {
    this.#options = options;
  }

  /** The number of creations that wait. */
  get length(): number {
    return this.#line.length;
  }

  /** Returns the place of a creation that arrives now. */
  arrive(options: QuotaPlaceOptions = {}): QuotaPlace {
    const creation = new Creation(this.#arrivals, this.#options, options.signal);
    this.#arrivals += 1;
    return {
      run: (work) => this.#run(creation, work, options),
      [Symbol.dispose]: () => creation.end(),
    };
  }

  async #run<T>(creation: Creation, work: () => Promise<T>, { refused }: QuotaPlaceOptions): Promise<T> {
    const latest = this.#line.length > 0 ? this.#latestRefusal : undefined;
    let isWaiting = latest !== undefined;
    const { clock, waited } = this.#options;
    const arrivedAt = clock.now();
    if (latest !== undefined) this.#join(creation, latest, { isNew: true });
    try {
      for (;;) {
        if (isWaiting) await creation.whenItsTurn();
        const result = await attempt(work);
        if ('value' in result) {
          if (isWaiting) this.#accepted(creation);
          return result.value;
        }
        this.#latestRefusal = result.refusal;
        creation.refuse(result.refusal);
        if (!isWaiting) this.#join(creation, result.refusal, { isNew: false });
        isWaiting = true;
        refused?.(result.refusal, this.#line.before(creation));
        creation.endTurn();
      }
    } finally {
      if (isWaiting) waited?.(clock.now() - arrivedAt);
      this.#leave(creation);
    }
  }

  #join(creation: Creation, refusal: QuotaExceededError, { isNew }: { readonly isNew: boolean }): void {
    const { maxWaiting } = this.#options;
    if (this.#line.length >= maxWaiting && !creation.hasWaited)
      throw new QuotaExceededError(
        refusal,
        `the queue is full: ${maxWaiting} creations already wait for room (maxWaitingForQuota)`,
        { cause: refusal },
      );
    creation.startLimit(refusal);
    this.#line.join(creation, { isNew });
    this.#changed.notify();
    if (!this.#isServing) void this.#serve();
  }

  #accepted(creation: Creation): void {
    this.#line.accepted(creation);
    this.#endWait();
  }

  #leave(creation: Creation): void {
    this.#line.leave(creation);
    creation.endTurn();
    if (this.#line.length === 0) this.#endWait();
  }

  /** Gives turns, one after the other, until no creation waits. */
  async #serve(): Promise<void> {
    this.#isServing = true;
    while (this.#line.length > 0) {
      const next = this.#line.next();
      if (next === undefined) {
        this.#waitForRound();
        await this.#changed.wait();
      } else await next.takeTurn();
    }
    this.#isServing = false;
  }

  /** Starts the wait for the next round, unless it has started. */
  #waitForRound(): void {
    if (this.#wait !== undefined) return;
    const { clock, random } = this.#options;
    const waitMs = backoffMs(this.#rounds, callBackoff, random?.());
    this.#rounds += 1;
    this.#wait = new AbortController();
    clock.sleep(waitMs, this.#wait).then(
      () => {
        this.#wait = undefined;
        this.#line.startRound();
        this.#changed.notify();
      },
      () => undefined,
    );
  }

  /** Ends the wait. The next one is short again. */
  #endWait(): void {
    this.#rounds = 0;
    this.#wait?.abort();
    this.#wait = undefined;
    this.#changed.notify();
  }
}

/** Returns the value of the work, or the refusal of a quota. Rejects with every other error. */
async function attempt<T>(
  work: () => Promise<T>,
): Promise<{ readonly value: T } | { readonly refusal: QuotaExceededError }> {
  try {
    return { value: await work() };
  } catch (error) {
    if (error instanceof QuotaExceededError) return { refusal: error };
    throw error;
  }
}

/** A creation, its turns and its time limit. */
class Creation implements QuotaMember {
  readonly arrival: number;
  readonly #options: QuotaQueueOptions;
  readonly #late = new AbortController();
  readonly #ended = new AbortController();
  readonly #stop: AbortSignal;
  /** Its latest refusal. */
  #refusal: QuotaExceededError | undefined;
  #isLimited = false;
  #turn = Promise.withResolvers<void>();
  #turnEnd = Promise.withResolvers<void>();

  constructor(arrival: number, options: QuotaQueueOptions, signal: AbortSignal | undefined) {
    this.arrival = arrival;
    this.#options = options;
    this.#stop = signal === undefined ? this.#late.signal : AbortSignal.any([signal, this.#late.signal]);
  }

  /** Whether it was in the line before. */
  get hasWaited(): boolean {
    return this.#isLimited;
  }

  /** Starts the time limit, once. `latest` is the latest refusal of any creation. */
  startLimit(latest: QuotaExceededError): void {
    if (this.#isLimited) return;
    this.#isLimited = true;
    const { clock, limitMs } = this.#options;
    clock.sleep(limitMs, this.#ended).then(
      () => this.#late.abort(this.#refusal ?? noTurn(limitMs, latest)),
      () => undefined,
    );
  }

  /** Resolves when it has a turn. Rejects after an abort and after the time limit. */
  async whenItsTurn(): Promise<void> {
    await abortable(this.#turn.promise, this.#stop);
  }

  /** Gives it a turn. Resolves when the turn has ended. */
  async takeTurn(): Promise<void> {
    this.#turnEnd = Promise.withResolvers();
    this.#turn.resolve();
    await this.#turnEnd.promise;
  }

  /** Keeps the refusal. Throws it if the time limit has passed. */
  refuse(refusal: QuotaExceededError): void {
    this.#refusal = refusal;
    if (this.#late.signal.aborted) throw refusal;
  }

  endTurn(): void {
    this.#turn = Promise.withResolvers();
    this.#turnEnd.resolve();
  }

  /** Ends the time limit. */
  end(): void {
    this.#ended.abort();
  }
}

function noTurn(limitMs: number, latest: QuotaExceededError): Error {
  const detail = `other creations wait for room, and this one had no turn within ${limitMs} ms`;
  return new QuotaExceededError(latest, detail, { cause: latest });
}
