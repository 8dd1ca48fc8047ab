import { ProtocolViolationError } from '../errors/connection.ts';
import { InOrder } from '../internal/in-order.ts';
import { ByteQueue } from './byte-queue.ts';
import { expand } from './data-compression.ts';
import type { DataFrame } from './frame.ts';

/** Smaller raw pieces are put together while they wait. */
const SMALL_BYTES: number = 8 * 1024;
/** The most bytes put together. */
const BATCH_BYTES: number = 64 * 1024;
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

/** The bytes of a stream between the connection, which is always read, and who takes them. What it costs to hold a window does not depend on its frames. */
export class DataQueue {
  readonly #order: InOrder<Uint8Array>;
  /** Small pieces that wait for their turn together. */
  #batch: ByteQueue | undefined;

  constructor(options: DataQueueOptions) {
    this.#order = new InOrder(options);
  }

  /** Whether everything that came was taken. */
  get isEmpty(): boolean {
    return this.#order.size === 0;
  }

  /** @throws ProtocolViolationError - too many frames wait */
  add(frame: DataFrame): void {
    const small = frame.encoding === 'raw' && frame.rawLength < SMALL_BYTES;
    if (small && this.#batch !== undefined && this.#batch.length < BATCH_BYTES) {
      this.#batch.push(frame.bytes);
      return;
    }
    if (this.#order.size > MAX_WAITING) throw new ProtocolViolationError(`stream ${frame.stream} comes in too many frames`);
    this.#batch = undefined;
    if (small && !this.isEmpty) this.#begin(frame.bytes);
    else this.#order.add(() => expand(frame));
  }

  /** Resolves when everything that came was taken; never after a failure or a stop. */
  async whenEmpty(): Promise<void> {
    await this.#order.whenAtMost(0);
  }

  /** Drops what was not taken. */
  stop(): void {
    this.#order.stop();
  }

  #begin(bytes: Uint8Array): void {
    const batch = new ByteQueue();
    batch.push(bytes);
    this.#batch = batch;
    this.#order.add(() => {
      if (this.#batch === batch) this.#batch = undefined;
      const pieces = batch.take(batch.length);
      const [first] = pieces;
      return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
    });
  }
}
