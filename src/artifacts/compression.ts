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

/** Fewer, larger chunks than the default of 16 KiB: each costs the same on its way. */
const CHUNK_BYTES: number = 128 * 1024;

const ENCODINGS: readonly Encoding[] = ['raw', 'gzip', 'zstd'];

/** @throws UnsupportedEncodingError - what a caller without types may give */
export function checkEncoding(encoding: string, facts: TransferFacts): Encoding {
  const known = ENCODINGS.find((candidate) => candidate === encoding);
  if (known === undefined) throw new UnsupportedEncodingError(facts, encoding);
  return known;
}

export interface DecodeOptions {
  /** @defaultValue `'raw'` */
  readonly encoding?: Encoding | undefined;
  /** The most bytes to take, as given (encoded). @defaultValue no limit */
  readonly limitBytes?: number | undefined;
  /** For errors. */
  readonly facts: TransferFacts;
}

export interface DecodedArchive {
  /**
   * The raw archive. Destroyed with `CorruptArchiveError`, `TruncatedArchiveError`, `ArtifactTooLargeError`, or whatever the source failed with, as it is; an
   * error that comes before anybody listens is not thrown. To destroy it destroys the source.
   */
  readonly readable: Readable;
  /** How many bytes were taken, as given. */
  encodedBytes(): number;
  /** Asked at its end: whether the encoding has proven that nothing is missing. Raw bytes prove nothing. */
  isProven(): boolean;
}

/**
 * Decodes an archive as it streams, taking no more of the source than is read.
 *
 * @throws InvalidSpecError - the source cannot give bytes; it is destroyed
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
  // What fails first is the cause: the others are then destroyed with the same error.
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
  // Not a stage itself: it is destroyed with the error that is meant, so that also who comes later finds that one.
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
  // A decoder may still fail when it has taken everything, which the pipeline does not wait for.
  last.once('error', fail);
  readable.on('error', ignore);
  pipeline(stages, (error) => {
    if (error) fail(error);
  });
  return { readable, encodedBytes: () => limit.bytes, isProven: () => decoder?.isProven ?? false };
}

/** Encodes a raw archive as it streams. What the archive fails with, the result is destroyed with; to destroy it destroys the archive. */
export function encodeArchive(archive: Readable, encoding: Encoding): Readable {
  const encoder = encoderOf(encoding);
  if (encoder === undefined) return archive;
  encoder.on('error', ignore);
  return pipeline(archive, encoder, ignore);
}

/** What it gives is looked at piece by piece; what it is, here. */
function bytesOf(source: unknown): Readable {
  if (source instanceof Readable) {
    if (source.readableEncoding === null) return source;
    source.destroy();
    throw new InvalidSpecError('source', 'gives text instead of bytes, for it has an encoding (setEncoding)');
  }
  const isIterable =
    typeof source === 'object' && source !== null && (Symbol.asyncIterator in source || Symbol.iterator in source);
  if (!isIterable)
    throw new InvalidSpecError(
      'source',
      'is neither a stream of bytes, nor an iterable of them, nor a function that opens one',
    );
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
  // The caller's stream was short, or else its own end would have been an error.
  if (cause.code === ENDS_EARLY)
    return new TruncatedArchiveError(facts, `its ${encoding} data ends early`, false, { cause });
  return new CorruptArchiveError(facts, `it is not valid ${encoding}: ${cause.message}`, { cause });
}

function ignore(): void {
  // Whoever reads is told.
}
