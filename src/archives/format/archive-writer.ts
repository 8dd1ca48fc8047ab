import { ProtocolViolationError } from '../../errors/connection.ts';
import type { ArchiveFrame } from '../../stores/frame-store.ts';
import { MAX_FRAMES, SeekTable } from './seek-table.ts';
import { encodeRawFrame, InvalidFrame, MAX_RAW_BYTES, readZstdFrame } from './zstd-frame.ts';

/** Turns the frames of a raw archive into the bytes of a store. */
export class ArchiveWriter {
  readonly #table = new SeekTable();
  #rawBytes = 0;

  /** The number of raw bytes of all frames so far. */
  get rawBytes(): number {
    return this.#rawBytes;
  }

  /**
   * Returns the stored bytes of the next frame. Does not copy them.
   *
   * @throws ProtocolViolationError - the frame is not what its sender declares
   */
  add(frame: ArchiveFrame): readonly Uint8Array[] {
    if (this.#table.frames >= MAX_FRAMES)
      throw new ProtocolViolationError(`an archive has more than ${MAX_FRAMES} frames`);
    const pieces = storedPieces(frame);
    this.#rawBytes += frame.rawLength;
    this.#table.add(
      pieces.reduce((sum, { byteLength }) => sum + byteLength, 0),
      frame.rawLength,
    );
    return pieces;
  }

  /** Returns the stored bytes that follow the last frame. */
  end(): Uint8Array {
    return this.#table.encode();
  }
}

function storedPieces({ encoding, rawLength, bytes }: ArchiveFrame): readonly Uint8Array[] {
  if (encoding === 'raw') {
    if (rawLength === bytes.byteLength && rawLength > 0 && rawLength <= MAX_RAW_BYTES) return encodeRawFrame(bytes);
    throw new ProtocolViolationError(`a raw frame has ${bytes.byteLength} bytes and a length of ${rawLength}`);
  }
  try {
    const content = readZstdFrame(bytes);
    if (content.rawLength !== rawLength)
      throw new InvalidFrame(`has a content size of ${content.rawLength} bytes, not ${rawLength}`);
    return [bytes];
  } catch (error) {
    throw error instanceof InvalidFrame
      ? new ProtocolViolationError(`a frame ${error.message}`, { cause: error })
      : error;
  }
}
