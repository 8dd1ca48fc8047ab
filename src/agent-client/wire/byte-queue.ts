/** Smaller pieces are copied into blocks, so that many tiny ones cost no more than their bytes. */
const SMALL_BYTES: number = 8 * 1024;
const BLOCK_BYTES: number = 64 * 1024;

/** Queues pieces of any size, and returns as many bytes as a frame has room for. */
export class ByteQueue {
  #pieces: Uint8Array[] = [];
  #length = 0;
  /** The current block for small pieces; its first `#filled` bytes are used. */
  #block: Buffer | undefined;
  #filled = 0;
  /** The start of the last piece in the block, if that piece can still grow. */
  #open: number | undefined;

  get length(): number {
    return this.#length;
  }

  /**
   * Appends a piece. Large pieces are not copied: they must not change until their bytes were taken
   * and used. Adjacent pieces of one buffer are merged.
   */
  push(piece: Uint8Array): void {
    if (piece.byteLength === 0) return;
    this.#length += piece.byteLength;
    const last = this.#pieces.at(-1);
    if (last !== undefined && isAdjacent(last, piece)) {
      this.#pieces[this.#pieces.length - 1] = merge(last, piece);
      return;
    }
    if (piece.byteLength >= SMALL_BYTES) {
      this.#open = undefined;
      this.#pieces.push(piece);
    } else this.#copy(piece);
  }

  /** Returns the length of the first contiguous piece, at most `limit`. */
  contiguousLength(limit: number): number {
    return Math.min(this.#pieces[0]?.byteLength ?? 0, limit);
  }

  /** Removes and returns the first `count` bytes. The queue must hold as many. */
  take(count: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let left = count;
    let used = 0;
    for (const piece of this.#pieces) {
      if (left === 0) break;
      const part = piece.subarray(0, left);
      taken.push(part);
      left -= part.byteLength;
      if (part.byteLength === piece.byteLength) used += 1;
      else this.#pieces[used] = piece.subarray(part.byteLength);
    }
    this.#pieces.splice(0, used);
    this.#length -= count;
    // The taken bytes must not change: the next small piece starts a new one.
    this.#open = undefined;
    return taken;
  }

  #copy(piece: Uint8Array): void {
    if (this.#block === undefined || this.#filled + piece.byteLength > BLOCK_BYTES) {
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#filled = 0;
      this.#open = undefined;
    }
    this.#block.set(piece, this.#filled);
    const start = this.#open ?? this.#filled;
    this.#filled += piece.byteLength;
    if (this.#open !== undefined) this.#pieces.pop();
    this.#open = start;
    this.#pieces.push(this.#block.subarray(start, this.#filled));
  }
}

/** Whether the second piece follows the first in the same buffer, as in reads into blocks. */
function isAdjacent(first: Uint8Array, second: Uint8Array): boolean {
  return first.buffer === second.buffer && first.byteOffset + first.byteLength === second.byteOffset;
}

function merge(first: Uint8Array, second: Uint8Array): Uint8Array {
  return Buffer.from(first.buffer, first.byteOffset, first.byteLength + second.byteLength);
}
