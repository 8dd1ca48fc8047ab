import { createHash } from 'node:crypto';

import type { Progress } from './progress.ts';

/** What a copy has moved: the raw tar archive, verified at both ends. */
export interface Copied {
  /** The SHA-256 of the archive, in hex. */
  readonly digest: string;
  readonly bytes: number;
}

/** Yields the chunks of a source, and reports their sizes. */
export async function* counted(source: AsyncIterable<Uint8Array>, progress: Progress): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    progress.add(chunk.byteLength);
    yield chunk;
  }
}

/** Computes the digest of an archive that passes. */
export class ArchiveDigest {
  readonly #hash = createHash('sha256');
  #bytes = 0;

  /** Yields the chunks of a source. */
  async *of(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.#hash.update(chunk);
      this.#bytes += chunk.byteLength;
      yield chunk;
    }
  }

  /** Returns the digest of everything that has passed. Called once. */
  copied(): Copied {
    return { digest: this.#hash.digest('hex'), bytes: this.#bytes };
  }
}
