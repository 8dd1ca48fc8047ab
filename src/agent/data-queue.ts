import { ProtocolViolationError } from '../errors/connection.ts';
import { Handover } from '../internal/handover.ts';
import { InOrder } from '../internal/in-order.ts';
import { ByteQueue } from './byte-queue.ts';
import { expand } from './data-compression.ts';
import type { DataFrame } from './frame.ts';

/** The most bytes that are put together for somebody who was busy meanwhile: with each of many small pieces, a writer to a file costs more than its bytes. */
const GIVEN_BYTES: number = 256 * 1024;
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
 * The bytes of a stream between the connection, which is always read, and who takes them: at once and as they came where nobody is busy, else put together. What it
 * costs to hold a window does not depend on its frames.
 */
export class DataQueue {
  readonly #options: DataQueueOptions;
  readonly #handover: Handover<Uint8Array>;
  readonly #order: InOrder<Uint8Array>;
  /** Expanded, and not yet given. */
  readonly #ready = new ByteQueue();
  #stopped = false;
  #emptied: PromiseWithResolvers<void> | undefined;

  constructor(options: DataQueueOptions) {
    this.#options = options;
    const failed = (error: unknown): void => {
      this.#fail(error);
    };
    this.#handover = new Handover({
      take: options.take,
      taken: () => {
        this.#give();
      },
      failed,
    });
    this.#order = new InOrder({
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
    return this.#order.size === 0 && this.#ready.length === 0 && !this.#handover.isBusy;
  }

  /** @throws ProtocolViolationError - too many frames wait */
  add(frame: DataFrame): void {
    if (this.#order.size > MAX_WAITING) throw new ProtocolViolationError(`stream ${frame.stream} comes in too many frames`);
    this.#order.add(() => expand(frame));
  }

  /** Resolves when everything that came was taken; never after a failure or a stop. */
  async whenEmpty(): Promise<void> {
    if (this.isEmpty) return;
    this.#emptied ??= Promise.withResolvers<void>();
    await this.#emptied.promise;
  }

  /** Drops what was not taken. */
  stop(): void {
    this.#stopped = true;
    this.#order.stop();
  }

  #give(): void {
    while (!this.#handover.isBusy && !this.#stopped && this.#ready.length > 0)
      this.#handover.give(joined(this.#ready.take(Math.min(this.#ready.length, GIVEN_BYTES))));
    if (!this.#stopped && this.isEmpty) this.#emptied?.resolve();
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.#options.failed(error);
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
}
