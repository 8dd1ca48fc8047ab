import { ProtocolViolationError } from '../../errors/connection.ts';
import { OrderedTasks } from '../../internal/ordered-tasks.ts';
import { SerialConsumer } from '../../internal/serial-consumer.ts';
import { ByteQueue } from './byte-queue.ts';
import { expand } from './data-compression.ts';
import type { DataFrame } from './frame.ts';
import { ReceivedBytes } from './received-bytes.ts';

/**
 * The maximum number of bytes of one delivery. Few large writes to a file cost less than many small
 * ones.
 */
const DELIVERY_BYTES: number = 256 * 1024;
/** The maximum number of bytes of an incomplete frame that are held back. */
const HELD_BYTES: number = 128 * 1024;
/** More frames than a correct sender makes of one window. */
const MAX_WAITING = 16_384;

export interface DataQueueOptions {
  /** The number of frames that are expanded concurrently. */
  readonly concurrency: number;
  /** Receives the raw bytes in order, the next only when the promise has resolved. */
  readonly take: (bytes: Uint8Array) => void | Promise<void>;
  /** Called at most once. `take` is not called afterwards. */
  readonly failed: (error: unknown) => void;
}

/**
 * Queues the bytes of a stream between the connection, which is always read, and a consumer.
 * Delivers bytes at once while the consumer is idle; bytes that arrive meanwhile and are contiguous are
 * delivered together. The bytes are the consumer's. The cost of a held window does not depend on its
 * frames.
 */
export class DataQueue {
  readonly #options: DataQueueOptions;
  readonly #consumer: SerialConsumer<Uint8Array>;
  readonly #order: OrderedTasks<Uint8Array>;
  readonly #received = new ReceivedBytes();
  /** Expanded bytes that were not delivered yet. */
  readonly #ready = new ByteQueue();
  /** Whether the last received bytes are an incomplete frame. */
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
        this.#deliver();
      },
      failed,
    });
    this.#order = new OrderedTasks({
      concurrency: options.concurrency,
      take: (bytes) => {
        this.#ready.push(bytes);
        this.#deliver();
      },
      failed,
    });
  }

  /** Whether all received bytes were taken. */
  get isEmpty(): boolean {
    return this.#order.size === 0 && this.#ready.length === 0 && !this.#consumer.isBusy;
  }

  /** @throws ProtocolViolationError - too many frames are waiting */
  add(frame: DataFrame): void {
    if (this.#order.size > MAX_WAITING)
      throw new ProtocolViolationError(`stream ${frame.stream} has too many waiting frames`);
    const isFirst = !this.#isPart;
    this.#isPart = frame.isPart === true;
    const bytes = frame.encoding === 'raw' ? this.#received.copy(frame.bytes, isFirst) : frame.bytes;
    this.#order.add(() => expand({ ...frame, bytes }));
  }

  /** Resolves when all received bytes were taken. Never settles after a failure or `stop`. */
  async whenEmpty(): Promise<void> {
    if (this.isEmpty) return;
    this.#emptied ??= Promise.withResolvers<void>();
    await this.#emptied.promise;
  }

  /** Delivers the bytes of an incomplete frame: the rest is delayed. */
  interrupt(): void {
    this.#isPart = false;
    this.#deliver();
  }

  /** Discards bytes that were not taken. */
  stop(): void {
    this.#stopped = true;
    this.#order.stop();
  }

  #deliver(): void {
    while (!this.#consumer.isBusy && !this.#stopped && this.#ready.length > 0) {
      // The rest of a frame follows. Each small delivery would cost the consumer more than its
      // bytes.
      if (this.#isPart && this.#ready.length < HELD_BYTES) return;
      for (const bytes of this.#ready.take(this.#ready.contiguousLength(DELIVERY_BYTES))) this.#consumer.give(bytes);
    }
    if (!this.#stopped && this.isEmpty) this.#emptied?.resolve();
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.#options.failed(error);
  }
}
