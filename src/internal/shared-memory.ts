import { freeBytes } from './free-bytes.ts';

/**
 * The memory of bytes with several users. It is freed when the last of them has released it, or by the
 * collector if one of them never does. A user that reads the bytes too late finds none, and never
 * those of another.
 */
export class SharedMemory {
  readonly #bytes: Uint8Array;
  #users = 1;

  /** @param bytes - all bytes of their buffer. If it has others as well, only the collector frees it */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Adds a user. */
  hold(): void {
    this.#users += 1;
  }

  /** Removes a user, which must not use the bytes any more. */
  release(): void {
    this.#users -= 1;
    if (this.#users === 0) freeBytes(this.#bytes);
  }
}
