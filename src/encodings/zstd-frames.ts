import { createZstdDecompress } from 'node:zlib';

import { endsEarly, FrameDecoder, isZero } from './frame-decoder.ts';
import { ZstdScanner } from './zstd-scanner.ts';

/** Expands zstd data of any number of frames, which zeros may follow. */
export class ZstdFrames extends FrameDecoder {
  #scanner: ZstdScanner | undefined;
  #frames = 0;
  #isPadding = false;

  constructor(chunkSize: number) {
    super(chunkSize, () => createZstdDecompress({ chunkSize }));
  }

  override get isProven(): boolean {
    return this.endError() === undefined;
  }

  protected override async takeBytes(chunk: Buffer): Promise<void> {
    for (let rest = chunk; rest.length > 0; ) {
      if (this.#scanner === undefined && this.#frames > 0 && (this.#isPadding || rest[0] === 0)) {
        this.#isPadding = true;
        if (!isZero(rest)) throw new Error('something follows the padding');
        return;
      }
      rest = rest.subarray(await this.#frame(rest));
    }
  }

  protected override endError(): Error | undefined {
    return this.#scanner === undefined && this.#frames > 0 ? undefined : endsEarly();
  }

  /** Expands the available bytes of one frame. Resolves with their number. */
  async #frame(bytes: Buffer): Promise<number> {
    const scanner = (this.#scanner ??= new ZstdScanner());
    const length = scanner.push(bytes);
    await this.expand(bytes.subarray(0, length));
    if (!scanner.isEnded) return length;
    await this.endFrame();
    this.#frames += 1;
    this.#scanner = undefined;
    return length;
  }
}
