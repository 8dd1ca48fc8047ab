/** Smaller pieces are copied together, so that many tiny ones cost no more than their bytes. */
const SMALL_BYTES: number = 8 * 1024;
const BLOCK_BYTES: number = 64 * 1024;

/** Bytes between a source that gives them in pieces of any size and frames that want as many as there is room for. */
export class ByteQueue {
  #pieces: Uint8Array[] = [];
  #length = 0;
  /** Where small pieces are copied to; `#filled` bytes of it are used. */
  #block: Buffer | undefined;
  #filled = 0;
  /** Where the last piece of the queue begins in the block, if it lies there. */
  #open: number | undefined;

  get length(): number {
    return this.#length;
  }

  /** Large pieces are not copied, and must not change until they were taken and used; those that lie one behind the other become one. */
  push(piece: Uint8Array): void {
    if (piece.byteLength === 0) return;
    this.#length += piece.byteLength;
    const last = this.#pieces.at(-1);
    if (last !== undefined && isRightBehind(last, piece)) {
      this.#pieces[this.#pieces.length - 1] = together(last, piece);
      return;
    }
    if (piece.byteLength >= SMALL_BYTES) {
      this.#open = undefined;
      this.#pieces.push(piece);
    } else this.#copy(piece);
  }

  /** How many bytes, at most so many, lie together at the beginning. */
  together(most: number): number {
    return Math.min(this.#pieces[0]?.byteLength ?? 0, most);
  }

  /** The first `count` bytes, which must be there. */
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
    // What was taken must not change: the next small piece begins a piece of its own.
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

/** Pieces of one block, as those who read into blocks give them. */
function isRightBehind(first: Uint8Array, second: Uint8Array): boolean {
  return first.buffer === second.buffer && first.byteOffset + first.byteLength === second.byteOffset;
}

function together(first: Uint8Array, second: Uint8Array): Uint8Array {
  return Buffer.from(first.buffer, first.byteOffset, first.byteLength + second.byteLength);
}
