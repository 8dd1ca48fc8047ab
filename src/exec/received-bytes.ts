/** A message that begins with less has memory of its own, so that whoever keeps it keeps no more than that. */
const smallBytes = 4 * 1024;
const blockBytes: number = 256 * 1024;

/** Copies what was read, piece behind piece, into blocks that are nobody else's and are never used again. */
export class ReceivedBytes {
  #block: Buffer | undefined;
  #filled = 0;
  #isLarge = false;

  /** `isFirst`: a message begins with these bytes. */
  copy(bytes: Uint8Array, isFirst: boolean): Buffer {
    const { byteLength } = bytes;
    // The end of a large message goes where its beginning is, however short it is: what lies together need not be put together.
    if (isFirst || byteLength >= smallBytes) this.#isLarge = byteLength >= smallBytes;
    if (!this.#isLarge || byteLength > blockBytes) return Buffer.from(bytes);
    if (this.#block === undefined || this.#filled + byteLength > blockBytes) {
      this.#block = Buffer.allocUnsafeSlow(blockBytes);
      this.#filled = 0;
    }
    this.#block.set(bytes, this.#filled);
    this.#filled += byteLength;
    return this.#block.subarray(this.#filled - byteLength, this.#filled);
  }
}
