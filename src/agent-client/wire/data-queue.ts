import { ProtocolViolationError } from '../../errors/connection.ts';
import { OrderedTasks } from '../../internal/ordered-tasks.ts';
import { SerialConsumer } from '../../internal/serial-consumer.ts';
import { ByteQueue } from './byte-queue.ts';
import { expand } from './data-compression.ts';
import type { DataFrame } from './frame.ts';

/** The most bytes that are given at once. Few large pieces cost a writer to a file less than many small ones. */
const GIVEN_BYTES: number = 256 * 1024;
/** The most bytes that are held back while they are only a part of a frame. */
const HELD_BYTES: number = 128 * 1024;
/** More than any honest sender makes of a window. */
const MAX_WAITING = 16_384;

export interface DataQueueOptions {
  /** How many frames are expanded at once. */
  readonly concurrency: number;
  /** Given the raw bytes in their order, the next only when the promise has resolved. */
  readonly take: (bytes: Uint8Array) => void | Promise<void>;
  /** Called once; nothing is taken after it. */
  readonly failed: (error: unknown) => void;
}

/**
 * The bytes of a stream between the connection, which is always read, and who takes them: at once and as they came where nobody is busy; what came meanwhile and lies
 * together is given together. What it costs to hold a window does not depend on its frames.
 */
export class DataQueue {
  readonly #options: DataQueueOptions;
  readonly #consumer: SerialConsumer<Uint8Array>;
  readonly #order: OrderedTasks<Uint8Array>;
  /** Expanded, and not yet given. */
  readonly #ready = new ByteQueue();
  /** What came last is a part of a frame, and the rest will come. */
  #isPart = false;
  #stopped = false;
  #emptied: PromiseWithResolvers<void> | undefined;

  constructor(options: DataQueueOptions) {
    this.#options = options;
    const failed = (error: unknown): void => {
      this.#fail(error);
    };
    this.#consumer = new SerialConsumer({
      take: options.take,
      taken: () => {
        this.#give();
      },
      failed,
    });
    this.#order = new OrderedTasks({
      concurrency: options.concurrency,
      take: (bytes) => {
        this.#ready.push(bytes);
        this.#give();
      },
      failed,
    });
  }

  /** Whether everything that came was taken. */
  get isEmpty(): boolean {
    return this.#order.size === 0 && this.#ready.length === 0 && !this.#consumer.isBusy;
  }

  /** @throws ProtocolViolationError - too many frames wait */
  add(frame: DataFrame): void {
    if (this.#order.size > MAX_WAITING)
      throw new ProtocolViolationError(`stream ${frame.stream} comes in too many frames`);
    this.#isPart = frame.isPart === true;
    this.#order.add(() => expand(frame));
  }

  /** Resolves when everything that came was taken; never after a failure or a stop. */
  async whenEmpty(): Promise<void> {
    if (this.isEmpty) return;
    this.#emptied ??= Promise.withResolvers<void>();
    await this.#emptied.promise;
  }

  /** The rest of a frame does not come for now: what is there of it is given. */
  interrupt(): void {
    this.#isPart = false;
    this.#give();
  }

  /** Drops what was not taken. */
  stop(): void {
    this.#stopped = true;
    this.#order.stop();
  }

  #give(): void {
    while (!this.#consumer.isBusy && !this.#stopped && this.#ready.length > 0) {
      // The rest of a frame is on its way: with each small piece of it, a reader has more to do than with its bytes.
      if (this.#isPart && this.#ready.length < HELD_BYTES) return;
      for (const bytes of this.#ready.take(this.#ready.together(GIVEN_BYTES))) this.#consumer.give(bytes);
    }
    if (!this.#stopped && this.isEmpty) this.#emptied?.resolve();
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.#options.failed(error);
  }
}
