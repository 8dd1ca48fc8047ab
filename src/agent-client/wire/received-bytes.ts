/** Smaller frames do not go into a block, so a retained slice does not pin a whole block. */
const smallBytes = 4 * 1024;
const firstBlockBytes: number = 32 * 1024;
const largestBlockBytes: number = 256 * 1024;

/**
 * Copies received bytes one behind the other into blocks that are never reused. The blocks grow, so
 * that a stream with few bytes holds little memory.
 */
export class ReceivedBytes {
  #block: Buffer = Buffer.alloc(0);
  #filled = 0;
  #isLarge = false;

  /** Returns a copy. `isFirst` is true if a frame begins with these bytes. */
  copy(bytes: Uint8Array, isFirst: boolean): Buffer {
    const { byteLength } = bytes;
    // The end of a large frame goes behind its beginning, however short the end is: adjacent
    // bytes need not be joined later.
    if (isFirst || byteLength >= smallBytes) this.#isLarge = byteLength >= smallBytes;
    if (!this.#isLarge || byteLength > largestBlockBytes) return Buffer.from(bytes);
    if (this.#filled + byteLength > this.#block.byteLength) {
      const grown = Math.min(Math.max(2 * this.#block.byteLength, firstBlockBytes), largestBlockBytes);
      this.#block = Buffer.allocUnsafeSlow(Math.max(grown, byteLength));
      this.#filled = 0;
    }
    this.#block.set(bytes, this.#filled);
    this.#filled += byteLength;
    return this.#block.subarray(this.#filled - byteLength, this.#filled);
  }
}
