import { once } from 'node:events';
import { Transform, type TransformCallback } from 'node:stream';

/** A decoder of `node:zlib`. */
export interface Decoder extends Transform {
  /** How many bytes it has consumed. */
  readonly bytesWritten: number;
}

/** The code of `node:zlib` for data that ends early. */
export const ENDS_EARLY = 'Z_BUF_ERROR';

/**
 * Expands data that is a sequence of frames, each with a decoder of its own: those of `node:zlib` stop at the end of the first, or fail on the padding behind the
 * last. A subclass finds where frames begin and end.
 */
export abstract class FrameDecoder extends Transform {
  readonly #newDecoder: () => Decoder;
  #decoder: Decoder | undefined;

  constructor(chunkSize: number, newDecoder: () => Decoder) {
    super({ readableHighWaterMark: chunkSize });
    this.#newDecoder = newDecoder;
  }

  /** Whether all that came has proven by itself that nothing is missing. Known at the end. */
  abstract get isProven(): boolean;

  override _read(size: number): void {
    this.#decoder?.resume();
    super._read(size);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.takeBytes(chunk).then(
      () => done(),
      (error: unknown) => done(asError(error)),
    );
  }

  override _flush(done: TransformCallback): void {
    done(this.endError());
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#decoder?.destroy();
    callback(error);
  }

  /** Takes the next bytes, all of them. */
  protected abstract takeBytes(chunk: Buffer): Promise<void>;

  /** What is wrong with an end here. */
  protected abstract endError(): Error | undefined;

  /** Called with what a frame expands to, before it is passed on. */
  protected expanded(_bytes: Buffer): void {
    // Only a decoder that does not check it itself has to look at it.
  }

  /** Expands bytes of the present frame; resolves with how many of them belong to it, fewer than there are only where it has ended. */
  protected async expand(bytes: Buffer): Promise<number> {
    const decoder = (this.#decoder ??= this.#open());
    const before = decoder.bytesWritten;
    const isEnded = await new Promise<boolean>((resolve, reject) => {
      const ended = (): void => resolve(true);
      decoder.once('end', ended);
      decoder.write(bytes, (error) => {
        decoder.off('end', ended);
        if (error) reject(error);
        else resolve(false);
      });
    });
    const taken = decoder.bytesWritten - before;
    if (!isEnded) return bytes.length;
    this.#close();
    return taken;
  }

  /** Ends the present frame, which has no more bytes. */
  protected async endFrame(): Promise<void> {
    const decoder = (this.#decoder ??= this.#open());
    const ended = once(decoder, 'end');
    decoder.end();
    await ended;
    this.#close();
  }

  #open(): Decoder {
    const decoder = this.#newDecoder();
    decoder.on('data', (bytes: Buffer) => {
      this.expanded(bytes);
      if (!this.push(bytes)) decoder.pause();
    });
    decoder.on('error', (error) => {
      this.destroy(error);
    });
    return decoder;
  }

  /** Its destruction calls back for a write that it has left unanswered. */
  #close(): void {
    this.#decoder?.destroy();
    this.#decoder = undefined;
  }
}

export function isZero(bytes: Buffer): boolean {
  return bytes.equals(Buffer.alloc(bytes.length));
}

export function endsEarly(): Error {
  return Object.assign(new Error('unexpected end of file'), { code: ENDS_EARLY });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('failed', { cause: error });
}
