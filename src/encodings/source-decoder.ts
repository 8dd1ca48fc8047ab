import type { Readable } from 'node:stream';

import type { ReadOnceSource, StreamSource } from '../runtime/volume.ts';
import { type DecodedArchive, type DecodeOptions, decodeArchive } from './compression.ts';

/** Decodes a caller's source: once, or each time it is opened. */
export class SourceDecoder {
  /** The raw archive, or a function that opens it if the source is a function. */
  readonly archive: Readable | (() => Promise<Readable>);
  readonly #options: DecodeOptions;
  #last: DecodedArchive | undefined;

  constructor(source: StreamSource, options: DecodeOptions) {
    this.#options = options;
    this.archive = typeof source === 'function' ? async () => this.#decode(await source()) : this.#decode(source);
  }

  /** The number of encoded bytes that were read since the source was last opened. */
  get encodedBytes(): number {
    return this.#last?.encodedBytes() ?? 0;
  }

  /**
   * Whether the encoding of the archive that was last opened has proven that it is complete. Valid
   * at its end.
   */
  get isProven(): boolean {
    return this.#last?.isProven() ?? false;
  }

  /** Runs work with the archive. Destroys the source if the work fails. */
  async close<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.#last?.readable.destroy(error instanceof Error ? error : undefined);
      throw error;
    }
  }

  #decode(source: ReadOnceSource): Readable {
    this.#last = decodeArchive(source, this.#options);
    return this.#last.readable;
  }
}
