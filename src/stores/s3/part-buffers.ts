import { InvalidSpecError } from '../../errors/caller.ts';
import { Semaphore } from '../../internal/semaphore.ts';
import type { AbortOptions } from '../../runtime/options.ts';

/**
 * A buffer of the pool.
 *
 * @public
 */
export interface PartBuffer {
  /** The memory, as large as a part. */
  readonly bytes: Buffer;
  /** Returns the buffer to the pool. Idempotent. The bytes are then another holder's. */
  readonly release: () => void;
}

/**
 * The memory of uploads to S3: a pool of buffers, one for each part that is filled or under way. An
 * upload waits while none is free, so that the memory does not depend on the number of uploads. A
 * buffer is allocated when it is needed, and all are freed when none is in use.
 *
 * Each worker has a pool of its own by default: a server that hangs holds the buffers of its uploads
 * for minutes, and must not delay those of another worker. A process with several workers can bound
 * the memory of all of them by one pool.
 *
 * @example
 * ```ts
 * import { type DatabasePool, KubernetesWorker, PartBuffers } from 'kubernetes-worker';
 *
 * declare const database: DatabasePool;
 * const partBuffers = new PartBuffers(8);
 * const s3 = { bucket: 'ci-artifacts' };
 * await using one = await KubernetesWorker.open({ name: 'one', database, stores: { s3, partBuffers } });
 * await using two = await KubernetesWorker.open({ name: 'two', database, stores: { s3, partBuffers } });
 * ```
 *
 * @public
 */
export class PartBuffers {
  readonly #places: Semaphore;
  #free: Buffer[] = [];
  #held = 0;

  /**
   * @param count - how many buffers there are at most, each as large as the parts of its upload
   * (`S3StoreOptions.partSizeBytes`)
   * @throws InvalidSpecError - the count is not a positive integer
   */
  constructor(count = 8) {
    if (!(Number.isSafeInteger(count) && count > 0))
      throw new InvalidSpecError('stores.partBuffers', `${count} is not a positive number of buffers`);
    this.#places = new Semaphore(count);
  }

  /** The number of buffers in use. */
  get held(): number {
    return this.#held;
  }

  /** Waits for a buffer of this size. Rejects with the signal's reason. */
  async acquire(bytes: number, options: AbortOptions = {}): Promise<PartBuffer> {
    const leave = await this.#places.acquire(options);
    this.#held += 1;
    const buffer = this.#take(bytes);
    let isHeld = true;
    const release = (): void => {
      if (!isHeld) return;
      isHeld = false;
      this.#put(buffer);
      leave();
    };
    return { bytes: buffer, release };
  }

  #take(bytes: number): Buffer {
    const free = this.#free.pop();
    // Stores with other sizes of parts share the pool.
    return free?.length === bytes ? free : Buffer.allocUnsafeSlow(bytes);
  }

  #put(buffer: Buffer): void {
    this.#held -= 1;
    if (this.#held === 0) this.#free = [];
    else this.#free.push(buffer);
  }
}
