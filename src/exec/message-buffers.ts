/** The most bytes that are kept. */
const keptBytes: number = 4 * 1024 * 1024;

/**
 * Buffers of one size that are used again: one that is dropped costs the collector a good part of what it costs to send its bytes, since memory outside of
 * its heap makes it run. Shared by any number of connections.
 */
export class MessageBuffers {
  readonly #sizeBytes: number;
  readonly #most: number;
  readonly #free: Buffer[] = [];

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
    this.#most = Math.floor(keptBytes / sizeBytes);
  }

  /** What is in it is of earlier use. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#sizeBytes);
  }

  /** Nobody may use it any more. */
  giveBack(buffer: Buffer): void {
    if (this.#free.length < this.#most) this.#free.push(buffer);
  }
}
