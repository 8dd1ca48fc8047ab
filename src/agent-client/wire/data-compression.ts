import { constants, type ZstdOptions, zstdCompress, zstdDecompress, zstdDecompressSync } from 'node:zlib';

import { ProtocolViolationError } from '../../errors/connection.ts';
import type { DataFrame } from './frame.ts';

/** Smaller frames are not compressed. */
const LEAST_BYTES = 1024;
/** The maximum number of frames that are sent raw before compression is tried again. */
const LONGEST_PAUSE = 64;
/** Up to this size, a thread costs more than the decompression. */
const SYNC_BYTES: number = 16 * 1024;
/**
 * A zstd frame declares the memory that its decoder needs. Frames of the protocol's size need at
 * most this much (1 MiB).
 */
const WINDOW_LOG_MAX = 20;

/** The encoded bytes of a DATA frame. */
export interface EncodedData {
  readonly encoding: 'raw' | 'zstd';
  readonly pieces: readonly Uint8Array[];
}

/**
 * Compresses frames independently, on another thread, where that saves at least a tenth. Otherwise
 * tries compression less and less often.
 */
export class DataCompressor {
  #pause = 0;
  #skip = 0;

  /** The caller must not change the pieces before the frame was sent. */
  encode(pieces: readonly Uint8Array[], rawLength: number): EncodedData | Promise<EncodedData> {
    if (rawLength < LEAST_BYTES) return { encoding: 'raw', pieces };
    if (this.#skip > 0) {
      this.#skip -= 1;
      return { encoding: 'raw', pieces };
    }
    return this.#try(pieces, rawLength);
  }

  async #try(pieces: readonly Uint8Array[], rawLength: number): Promise<EncodedData> {
    const [first] = pieces;
    const raw = pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces, rawLength);
    const compressed = await compress(raw);
    if (compressed.byteLength <= rawLength * 0.9) {
      this.#pause = 0;
      this.#skip = 0;
      return { encoding: 'zstd', pieces: [compressed] };
    }
    this.#pause = Math.min(LONGEST_PAUSE, Math.max(1, this.#pause * 2));
    this.#skip = this.#pause;
    return { encoding: 'raw', pieces };
  }
}

/** The result is one frame with its content size, as an archive store needs it. */
function compress(raw: Uint8Array): Promise<Buffer> {
  // The types of Node lack the option.
  const options: ZstdOptions & { readonly pledgedSrcSize: number } = {
    chunkSize: raw.byteLength + 1024,
    pledgedSrcSize: raw.byteLength,
    params: { [constants.ZSTD_c_compressionLevel]: 1 },
  };
  return new Promise((resolve, reject) => {
    zstdCompress(raw, options, (error, compressed) => {
      if (error === null) resolve(compressed);
      else reject(error);
    });
  });
}

/**
 * Returns the raw bytes of a frame, never more than it declares. Expands large frames on another
 * thread.
 *
 * @throws ProtocolViolationError - the bytes do not match the declaration of the frame
 */
export function expand(frame: DataFrame): Uint8Array | Promise<Uint8Array> {
  const { encoding, bytes, rawLength } = frame;
  if (encoding === 'raw') return bytes;
  try {
    const raw = expandZstd(bytes, rawLength);
    if (!(raw instanceof Promise)) return raw;
    return raw.catch((error: unknown) => {
      throw asViolation(error, frame);
    });
  } catch (error) {
    throw asViolation(error, frame);
  }
}

/**
 * Returns the raw bytes of zstd data, of which there must be exactly `rawLength`. Expands large
 * data on another thread.
 */
export function expandZstd(bytes: Uint8Array, rawLength: number): Uint8Array | Promise<Uint8Array> {
  const options: ZstdOptions = {
    chunkSize: Math.max(64, rawLength),
    maxOutputLength: rawLength,
    params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
  };
  if (rawLength <= SYNC_BYTES) return checkedLength(zstdDecompressSync(bytes, options), rawLength);
  return new Promise((resolve, reject) => {
    zstdDecompress(bytes, options, (error, raw) => {
      if (error === null && raw.byteLength === rawLength) resolve(raw);
      else reject(error ?? wrongLength(raw, rawLength));
    });
  });
}

function checkedLength(raw: Uint8Array, rawLength: number): Uint8Array {
  if (raw.byteLength !== rawLength) throw wrongLength(raw, rawLength);
  return raw;
}

function wrongLength({ byteLength }: Uint8Array, rawLength: number): Error {
  return new Error(`the data has ${byteLength} raw bytes, not ${rawLength}`);
}

function asViolation(cause: unknown, { stream, offset, rawLength }: DataFrame): ProtocolViolationError {
  return new ProtocolViolationError(`the DATA of stream ${stream} at ${offset} is not zstd of ${rawLength} bytes`, {
    cause,
  });
}
