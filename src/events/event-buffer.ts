import type { WorkerEvent } from '../runtime/worker-events.ts';

export interface EventBufferOptions {
  /** The maximum number of events that wait for the consumer. */
  readonly size: number;
  /** Called once, when the buffer accepts no further events. */
  readonly ended: () => void;
}

type Next = IteratorResult<WorkerEvent, undefined>;

/** Consecutive events that were dropped. */
interface Gap {
  readonly dropped: number;
  /** When the last of them was reported. */
  readonly at: Date;
}

/** A waiting event, and what was dropped just before it. */
interface Entry {
  readonly event: WorkerEvent;
  gap: Gap | undefined;
}

/**
 * The events of one consumer, in order. A full buffer drops the newest events. The consumer
 * receives their number in their place.
 */
export class EventBuffer implements AsyncIterableIterator<WorkerEvent, undefined, undefined> {
  readonly #options: EventBufferOptions;
  readonly #entries: Entry[] = [];
  /** What was dropped after the last entry. */
  #gap: Gap | undefined;
  /**
   * Calls of `next` that wait for an event. While there are any, there is neither an entry nor a
   * gap.
   */
  readonly #waiting: ((next: Next) => void)[] = [];
  #isEnded = false;

  constructor(options: EventBufferOptions) {
    this.#options = options;
  }

  push(event: WorkerEvent): void {
    if (this.#isEnded) return;
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) return waiting({ value: event, done: false });
    if (this.#entries.length >= this.#options.size) {
      this.#gap = { dropped: (this.#gap?.dropped ?? 0) + 1, at: event.at };
      return;
    }
    this.#entries.push({ event, gap: this.#gap });
    this.#gap = undefined;
  }

  /** Accepts no further events. The consumer receives the waiting ones. Idempotent. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const waiting of this.#waiting.splice(0)) waiting({ value: undefined, done: true });
    this.#options.ended();
  }

  /** Ends the buffer and discards the waiting events. */
  discard(): void {
    this.#entries.length = 0;
    this.#gap = undefined;
    this.end();
  }

  async next(): Promise<Next> {
    const event = this.#take();
    if (event !== undefined) return { value: event, done: false };
    if (this.#isEnded) return { value: undefined, done: true };
    return await new Promise((resolve) => this.#waiting.push(resolve));
  }

  async return(): Promise<Next> {
    this.discard();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(): WorkerEvent | undefined {
    const [first] = this.#entries;
    const gap = first === undefined ? this.#gap : first.gap;
    if (gap === undefined) return this.#entries.shift()?.event;
    if (first === undefined) this.#gap = undefined;
    else first.gap = undefined;
    return { kind: 'overflow', ...gap };
  }
}
