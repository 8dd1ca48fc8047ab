/** The maximum number of bytes of free buffers. */
const keptBytes: number = 4 * 1024 * 1024;

/**
 * A pool of buffers of one size, shared by any number of connections. Memory outside of the
 * collector's heap makes the collector run, so a discarded buffer costs a large part of what
 * sending its bytes costs.
 */
export class MessageBuffers {
  readonly #sizeBytes: number;
  readonly #most: number;
  readonly #free: Buffer[] = [];

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
    this.#most = Math.floor(keptBytes / sizeBytes);
  }

  /** Returns a buffer with undefined content. */
  acquire(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#sizeBytes);
  }

  /** Returns a buffer to the pool. The caller must not use it afterwards. */
  release(buffer: Buffer): void {
    if (this.#free.length < this.#most) this.#free.push(buffer);
  }
}
