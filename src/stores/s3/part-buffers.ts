import { Semaphore } from '../../internal/semaphore.ts';
import type { AbortOptions } from '../../runtime/options.ts';

/** A buffer of the pool. */
export interface PartBuffer {
  readonly bytes: Buffer;
  /** Returns the buffer to the pool. Idempotent. The bytes are then another holder's. */
  readonly release: () => void;
}

/**
 * The buffers of all uploads of a program, so that their memory does not depend on the number of
 * uploads. A buffer is allocated when it is needed, and freed when none is in use.
 */
export class PartBuffers {
  readonly #places: Semaphore;
  #free: Buffer[] = [];
  #held = 0;

  /** @param count - how many buffers there are at most; each upload holds several */
  constructor(count = 8) {
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
