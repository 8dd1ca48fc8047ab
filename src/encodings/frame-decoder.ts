import { once } from 'node:events';
import { Transform, type TransformCallback } from 'node:stream';

/** A decoder of `node:zlib`. */
export interface Decoder extends Transform {
  /** The number of consumed bytes. */
  readonly bytesWritten: number;
}

/** The code of `node:zlib` for data that ends early. */
export const ENDS_EARLY = 'Z_BUF_ERROR';

/**
 * Expands a sequence of frames, each with its own decoder, because the decoders of `node:zlib` stop
 * at the end of the first frame, or fail at the padding after the last. A subclass finds the
 * beginning and the end of each frame.
 */
export abstract class FrameDecoder extends Transform {
  readonly #newDecoder: () => Decoder;
  #decoder: Decoder | undefined;

  constructor(chunkSize: number, newDecoder: () => Decoder) {
    super({ readableHighWaterMark: chunkSize });
    this.#newDecoder = newDecoder;
  }

  /** Whether the data itself has proven that it is complete. Valid at the end. */
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

  /** Takes all of the next bytes. */
  protected abstract takeBytes(chunk: Buffer): Promise<void>;

  /** Returns the error of an end at this point. */
  protected abstract endError(): Error | undefined;

  /** Called with the expanded bytes of a frame before they are passed on. */
  protected expanded(_bytes: Buffer): void {
    // Overridden by subclasses whose decoder does not verify the bytes itself.
  }

  /**
   * Expands bytes of the current frame. Resolves with the number of bytes that belong to it, which
   * is smaller than their length only if the frame has ended.
   */
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

  /** Ends the current frame, which has no more bytes. */
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

  /** Destroys the decoder, which also calls the callback of a pending write. */
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
