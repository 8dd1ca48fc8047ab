import type { Readable } from 'node:stream';

import { Change } from './change.ts';

/** The stdin of a faked command. */
export class CommandStdin implements AsyncIterable<Uint8Array> {
  readonly #chunks: Uint8Array[] = [];
  readonly #change = new Change();
  #hasEnded = false;
  #receivedBytes = 0;

  push(bytes: Uint8Array): void {
    if (this.#hasEnded) return;
    this.#receivedBytes += bytes.byteLength;
    this.#chunks.push(bytes);
    this.#change.notify();
  }

  end(): void {
    this.#hasEnded = true;
    this.#change.notify();
  }

  /**
   * Feeds the host's stream from now on. Returns a function that releases the stream.
   *
   * @param from - `start`: the stream begins with the command's first byte, so that the bytes which
   *   it has received are skipped. `here`: with its next byte
   */
  feedFrom(source: Readable, from: 'start' | 'here', onError: (error: Error) => void): () => void {
    let skipBytes = from === 'start' ? this.#receivedBytes : 0;
    const onReadable = (): void => {
      for (;;) {
        const chunk: unknown = source.read();
        if (chunk === null) return;
        const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Uint8Array);
        const skipped = Math.min(skipBytes, bytes.byteLength);
        skipBytes -= skipped;
        if (bytes.byteLength > skipped) this.push(bytes.subarray(skipped));
      }
    };
    const onEnd = (): void => this.end();
    source.on('readable', onReadable).on('end', onEnd).on('error', onError);
    return () => source.off('readable', onReadable).off('end', onEnd).off('error', onError);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const bytes = this.#chunks.shift();
      if (bytes !== undefined) yield bytes;
      else if (this.#hasEnded) return;
      else await this.#change.wait();
    }
  }
}
