import { Transform, type TransformCallback } from 'node:stream';
import { createZstdDecompress, type ZstdDecompress, type ZstdOptions } from 'node:zlib';

/**
 * Expands zstd data of any number of frames. The decoder of `node:zlib` ends with the first frame and silently drops what follows, which is the rest of an
 * archive where several threads or `cat` have made it.
 */
export class ZstdFrames extends Transform {
  readonly #options: ZstdOptions;
  #decoder: ZstdDecompress;

  constructor(options: ZstdOptions) {
    super({ readableHighWaterMark: options.chunkSize });
    this.#options = options;
    this.#decoder = this.#newDecoder();
  }

  override _read(size: number): void {
    this.#decoder.resume();
    super._read(size);
  }

  override _transform(chunk: Buffer, encoding: BufferEncoding, done: TransformCallback): void {
    const decoder = this.#decoder;
    const before = decoder.bytesWritten;
    const frameEnded = (): void => {
      const rest = chunk.subarray(decoder.bytesWritten - before);
      this.#decoder = this.#newDecoder();
      // Its destruction calls back for the write, which it has left unanswered.
      decoder.destroy();
      this._transform(rest, encoding, done);
    };
    decoder.once('end', frameEnded);
    decoder.write(chunk, () => {
      decoder.off('end', frameEnded);
      if (this.#decoder === decoder) done();
    });
  }

  override _flush(done: TransformCallback): void {
    this.#decoder.once('end', () => {
      done();
    });
    this.#decoder.end();
    this.#decoder.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#decoder.destroy();
    callback(error);
  }

  #newDecoder(): ZstdDecompress {
    const decoder = createZstdDecompress(this.#options);
    decoder.on('data', (bytes: Buffer) => {
      if (!this.push(bytes)) decoder.pause();
    });
    decoder.on('error', (error) => {
      this.destroy(error);
    });
    return decoder;
  }
}
