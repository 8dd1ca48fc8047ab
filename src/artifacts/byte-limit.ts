import { Transform, type TransformCallback } from 'node:stream';

import { InvalidSpecError } from '../errors/caller.ts';
import { ArtifactTooLargeError, type TransferFacts } from '../errors/transfer.ts';

/**
 * Takes the bytes of a caller's source and counts them. Fails with `ArtifactTooLargeError` at the first one beyond the limit, which does not pass, and with
 * `InvalidSpecError` at what is not bytes: text has lost them already, whatever it is decoded with.
 */
export class ByteLimit extends Transform {
  readonly #facts: TransferFacts;
  readonly #limitBytes: number;
  #bytes = 0;

  /** @param limitBytes - `undefined`: none */
  constructor(facts: TransferFacts, limitBytes: number | undefined) {
    // A stream of bytes would turn text into bytes before it gives it to `_transform`, and throw at anything else.
    super({ writableObjectMode: true, writableHighWaterMark: 1 });
    this.#facts = facts;
    this.#limitBytes = limitBytes ?? Number.POSITIVE_INFINITY;
  }

  /** How many have passed. */
  get bytes(): number {
    return this.#bytes;
  }

  override _transform(chunk: unknown, _encoding: BufferEncoding, done: TransformCallback): void {
    if (!(chunk instanceof Uint8Array)) {
      done(
        new InvalidSpecError(
          'source',
          typeof chunk === 'string' ? 'gives text instead of bytes' : 'gives something that is not bytes',
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
