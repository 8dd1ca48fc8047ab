import type { Readable } from 'node:stream';

import type { ReadOnceSource, StreamSource } from '../runtime/volume.ts';
import { type DecodedArchive, type DecodeOptions, decodeArchive } from './compression.ts';

/** Decodes a caller's source: once, or each time that it is opened. */
export class SourceDecoder {
  /** The raw archive, or a function that opens it, as the source is. */
  readonly archive: Readable | (() => Promise<Readable>);
  readonly #options: DecodeOptions;
  #last: DecodedArchive | undefined;

  constructor(source: StreamSource, options: DecodeOptions) {
    this.#options = options;
    this.archive = typeof source === 'function' ? async () => this.#decode(await source()) : this.#decode(source);
  }

  /** How many bytes of the source were taken, as given, since it was opened last. */
  get encodedBytes(): number {
    return this.#last?.encodedBytes() ?? 0;
  }

  /** Asked at the end of what was opened last: whether its encoding has proven that nothing is missing. */
  get isProven(): boolean {
    return this.#last?.isProven() ?? false;
  }

  /** Does work with the archive; whatever it fails with, the source is let go of. */
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
