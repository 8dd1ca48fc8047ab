import { Transform, type TransformCallback } from 'node:stream';

import { InvalidSpecError } from '../errors/caller.ts';
import { ArtifactTooLargeError, type TransferFacts } from '../errors/transfer.ts';

/**
 * Counts the bytes of a caller's source. Fails with `ArtifactTooLargeError` at the first chunk that
 * exceeds the limit, which it does not pass on, and with `InvalidSpecError` at a chunk that is not
 * bytes: decoded text no longer has the original bytes.
 */
export class ByteLimit extends Transform {
  readonly #facts: TransferFacts;
  readonly #limitBytes: number;
  #bytes = 0;

  /** @param limitBytes - `undefined`: no limit */
  constructor(facts: TransferFacts, limitBytes: number | undefined) {
    // Without object mode the stream would convert text to bytes before `_transform`, and throw at
    // any other value.
    super({ writableObjectMode: true, writableHighWaterMark: 1 });
    this.#facts = facts;
    this.#limitBytes = limitBytes ?? Number.POSITIVE_INFINITY;
  }

  /** The number of bytes that were passed on. */
  get bytes(): number {
    return this.#bytes;
  }

  override _transform(chunk: unknown, _encoding: BufferEncoding, done: TransformCallback): void {
    if (!(chunk instanceof Uint8Array)) {
      done(
        new InvalidSpecError(
          'source',
          typeof chunk === 'string' ? 'provides text instead of bytes' : 'provides a value that is not bytes',
        ),
      );
      return;
    }
    if (this.#bytes + chunk.byteLength > this.#limitBytes) {
      done(new ArtifactTooLargeError({ ...this.#facts, bytes: this.#bytes }, this.#limitBytes));
      return;
    }
    this.#bytes += chunk.byteLength;
    done(null, chunk);
  }
}
