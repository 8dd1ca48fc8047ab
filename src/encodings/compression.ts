import { pipeline, Readable, type Transform } from 'node:stream';
import { constants, createGzip, createZstdCompress } from 'node:zlib';

import { InvalidSpecError } from '../errors/caller.ts';
import {
  CorruptArchiveError,
  type TransferFacts,
  TruncatedArchiveError,
  UnsupportedEncodingError,
} from '../errors/transfer.ts';
import type { Encoding } from '../runtime/volume.ts';
import { ByteLimit } from './byte-limit.ts';
import { ENDS_EARLY, type FrameDecoder } from './frame-decoder.ts';
import { GzipMembers } from './gzip-members.ts';
import { ZstdFrames } from './zstd-frames.ts';

/** Larger than the default of 16 KiB, because each chunk has a fixed cost. */
const CHUNK_BYTES: number = 128 * 1024;

const ENCODINGS: readonly Encoding[] = ['raw', 'gzip', 'zstd'];

/**
 * @throws UnsupportedEncodingError - the encoding is unknown, which is possible in callers without
 *   types
 */
export function checkEncoding(encoding: string, facts: TransferFacts): Encoding {
  const known = ENCODINGS.find((candidate) => candidate === encoding);
  if (known === undefined) throw new UnsupportedEncodingError(facts, encoding);
  return known;
}

export interface DecodeOptions {
  /** @defaultValue `'raw'` */
  readonly encoding?: Encoding | undefined;
  /** The limit for encoded bytes. @defaultValue no limit */
  readonly limitBytes?: number | undefined;
  /** The facts for errors. */
  readonly facts: TransferFacts;
}

export interface DecodedArchive {
  /**
   * The raw archive. Destroyed with `CorruptArchiveError`, `TruncatedArchiveError`,
   * `ArtifactTooLargeError`, or the source's own error. An error before the first listener is not
   * thrown. Destroying the archive destroys the source.
   */
  readonly readable: Readable;
  /** Returns the number of encoded bytes that were read. */
  encodedBytes(): number;
  /**
   * Returns, at the archive's end, whether its encoding has proven that the archive is complete.
   * Raw bytes prove nothing.
   */
  isProven(): boolean;
}

/**
 * Decodes an archive as a stream. Reads the source only as fast as the result is read.
 *
 * @throws InvalidSpecError - the source cannot provide bytes. It is destroyed
 */
export function decodeArchive(
  source: Readable | AsyncIterable<Uint8Array>,
  { encoding = 'raw', limitBytes, facts }: DecodeOptions,
): DecodedArchive {
  const upstream = bytesOf(source);
  const limit = new ByteLimit(facts, limitBytes);
  const decoder = decoderOf(encoding);
  const last = decoder ?? limit;
  const stages = decoder === undefined ? [upstream, limit] : [upstream, limit, decoder];
  // The stage that fails first is the cause: the others are then destroyed with the same error.
  let failedFirst: Transform | Readable | undefined;
  for (const stage of stages) stage.once('error', () => (failedFirst ??= stage));
  const readable = new Readable({
    highWaterMark: CHUNK_BYTES,
    read: () => {
      last.resume();
    },
    destroy: (error, done) => {
      last.destroy(error ?? undefined);
      done(error);
    },
  });
  // Not a stage of the pipeline, so that it is destroyed with the converted error, which late
  // listeners also receive.
  const fail = (error: Error): void => {
    readable.destroy(
      failedFirst === decoder && decoder !== undefined
        ? decodingError(error, encoding, { ...facts, bytes: limit.bytes })
        : error,
    );
  };
  last.on('data', (chunk) => {
    if (!readable.push(chunk)) last.pause();
  });
  last.once('end', () => readable.push(null));
  // A decoder may fail after it has taken all input. The pipeline does not wait for that.
  last.once('error', fail);
  readable.on('error', ignore);
  pipeline(stages, (error) => {
    if (error) fail(error);
  });
  return { readable, encodedBytes: () => limit.bytes, isProven: () => decoder?.isProven ?? false };
}

/**
 * Encodes a raw archive as a stream. The result is destroyed with the archive's error. Destroying
 * the result destroys the archive.
 */
export function encodeArchive(archive: Readable, encoding: Encoding): Readable {
  const encoder = encoderOf(encoding);
  if (encoder === undefined) return archive;
  encoder.on('error', ignore);
  return pipeline(archive, encoder, ignore);
}

/** Checks the type of the source. `ByteLimit` checks its chunks. */
function bytesOf(source: unknown): Readable {
  if (source instanceof Readable) {
    if (source.readableEncoding === null) return source;
    source.destroy();
    throw new InvalidSpecError('source', 'provides text instead of bytes, because it has an encoding (setEncoding)');
  }
  const isIterable =
    typeof source === 'object' && source !== null && (Symbol.asyncIterator in source || Symbol.iterator in source);
  if (!isIterable)
    throw new InvalidSpecError('source', 'is not a stream or an iterable of bytes, or a function that opens one');
  return Readable.from(source as AsyncIterable<unknown>, { highWaterMark: 1 });
}

function decoderOf(encoding: Encoding): FrameDecoder | undefined {
  switch (encoding) {
    case 'raw':
      return undefined;
    case 'gzip':
      return new GzipMembers(CHUNK_BYTES);
    case 'zstd':
      return new ZstdFrames(CHUNK_BYTES);
  }
}

function encoderOf(encoding: Encoding): Transform | undefined {
  switch (encoding) {
    case 'raw':
      return undefined;
    case 'gzip':
      return createGzip({ chunkSize: CHUNK_BYTES, level: constants.Z_BEST_SPEED });
    case 'zstd':
      return createZstdCompress({ chunkSize: CHUNK_BYTES, params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  }
}

function decodingError(cause: Error & { readonly code?: unknown }, encoding: Encoding, facts: TransferFacts): Error {
  // The caller's stream was too short: a source that failed would have reported its own error.
  if (cause.code === ENDS_EARLY)
    return new TruncatedArchiveError(facts, `its ${encoding} data ends early`, false, { cause });
  return new CorruptArchiveError(facts, `it is not valid ${encoding}: ${cause.message}`, { cause });
}

function ignore(): void {
  // The reader of the result receives the error.
}
