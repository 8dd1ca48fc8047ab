/** A message that begins with less does not go into a block, which whoever keeps a line of it would keep whole. */
const smallBytes = 4 * 1024;
const firstBlockBytes: number = 32 * 1024;
const largestBlockBytes: number = 256 * 1024;

/** Copies what was read, piece behind piece, into blocks that are nobody else's and are never used again. They grow, so that a connection over which little comes holds little. */
export class ReceivedBytes {
  #block: Buffer = Buffer.alloc(0);
  #filled = 0;
  #isLarge = false;

  /** `isFirst`: a message begins with these bytes. */
  copy(bytes: Uint8Array, isFirst: boolean): Buffer {
    const { byteLength } = bytes;
    // The end of a large message goes where its beginning is, however short it is: what lies together need not be put together.
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
