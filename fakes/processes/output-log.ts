import { Change } from './change.ts';

/** The maximum number of bytes of one chunk, so that a reader sees its own backpressure. */
const maxChunkBytes = 64 * 1024;

/** One stream of output of a faked command. It keeps all bytes. */
export class OutputLog {
  #bytes = Buffer.alloc(0);
  #isClosed = false;
  readonly #change = new Change();

  get size(): number {
    return this.#bytes.byteLength;
  }

  append(output: string | Uint8Array): void {
    if (this.#isClosed) return;
    this.#bytes = Buffer.concat([this.#bytes, typeof output === 'string' ? Buffer.from(output) : output]);
    this.#change.notify();
  }

  close(): void {
    this.#isClosed = true;
    this.#change.notify();
  }

  /** Waits for output at the offset. Resolves with `undefined` at the end. */
  async read(offset: number): Promise<Uint8Array | undefined> {
    while (this.size <= offset) {
      if (this.#isClosed) return undefined;
      await this.#change.wait();
    }
    return this.#bytes.subarray(offset, offset + maxChunkBytes);
  }
}
