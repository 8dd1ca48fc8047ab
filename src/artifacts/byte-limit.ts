import { Transform, type TransformCallback } from 'node:stream';

import { ArtifactTooLargeError, type TransferFacts } from '../errors/transfer.ts';

/** Counts the bytes that pass, and fails with `ArtifactTooLargeError` at the first one beyond the limit, which does not pass. */
export class ByteLimit extends Transform {
  readonly #facts: TransferFacts;
  readonly #limitBytes: number;
  #bytes = 0;

  /** @param limitBytes - `undefined`: none */
  constructor(facts: TransferFacts, limitBytes: number | undefined) {
    super();
    this.#facts = facts;
    this.#limitBytes = limitBytes ?? Number.POSITIVE_INFINITY;
  }

  /** How many have passed. */
  get bytes(): number {
    return this.#bytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#bytes + chunk.byteLength > this.#limitBytes) {
      done(new ArtifactTooLargeError({ ...this.#facts, bytes: this.#bytes }, this.#limitBytes));
      return;
    }
    this.#bytes += chunk.byteLength;
    done(null, chunk);
  }
}
