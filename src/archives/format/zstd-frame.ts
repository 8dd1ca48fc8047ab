/** The magic number of a zstd frame (RFC 8878, section 3.1.1). */
export const FRAME_MAGIC = 0xfd2f_b528;
/** The maximum number of raw bytes in a frame of an archive. */
export const MAX_RAW_BYTES: number = 256 * 1024;
/**
 * The maximum number of stored bytes in a frame of an archive: raw blocks, and room for headers.
 */
export const MAX_STORED_BYTES: number = MAX_RAW_BYTES + 1024;

/** The maximum number of bytes in a block (RFC 8878, section 3.1.1.2.4). */
const MAX_BLOCK_BYTES: number = 128 * 1024;
/** A single segment with a content size of four bytes, without checksum and dictionary. */
const RAW_DESCRIPTOR = 0xa0;
const RAW_HEADER_BYTES = 9;
const BLOCK_HEADER_BYTES = 3;
const BlockType = { RAW: 0, RUN: 1 } as const;
const DICTIONARY_BYTES = [0, 1, 2, 4] as const;
const SIZE_BYTES = [0, 2, 4, 8] as const;

/** Thrown for bytes that are not one zstd frame of an archive. The message continues "a frame …". */
export class InvalidFrame extends Error {}

/** The content of a zstd frame, as far as it is known without decoding. */
export interface ZstdFrameContent {
  /** The number of raw bytes. */
  readonly rawLength: number;
  /** The raw bytes, if the frame has them as they are. */
  readonly rawPieces: readonly Uint8Array[] | undefined;
}

/** Returns a zstd frame whose blocks are the bytes as they are. Copies none of them. */
export function encodeRawFrame(raw: Uint8Array): Uint8Array[] {
  const header = Buffer.alloc(RAW_HEADER_BYTES);
  header.writeUInt32LE(FRAME_MAGIC, 0);
  header.writeUInt8(RAW_DESCRIPTOR, 4);
  header.writeUInt32LE(raw.byteLength, 5);
  const pieces: Uint8Array[] = [header];
  for (let at = 0; at < raw.byteLength; at += MAX_BLOCK_BYTES) {
    const block = raw.subarray(at, at + MAX_BLOCK_BYTES);
    const isLast = at + block.byteLength === raw.byteLength;
    const head = Buffer.alloc(BLOCK_HEADER_BYTES);
    head.writeUIntLE((block.byteLength << 3) | (BlockType.RAW << 1) | (isLast ? 1 : 0), 0, BLOCK_HEADER_BYTES);
    pieces.push(head, block);
  }
  return pieces;
}

/**
 * Returns the content of bytes that are exactly one zstd frame of an archive.
 *
 * @throws InvalidFrame - they are not, or the frame has no content size or too large a one
 */
export function readZstdFrame(bytes: Uint8Array): ZstdFrameContent {
  if (bytes.byteLength > MAX_STORED_BYTES)
    throw new InvalidFrame(`of ${bytes.byteLength} bytes is larger than ${MAX_STORED_BYTES} bytes`);
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const { headerBytes, rawLength, hasChecksum } = readHeader(frame);
    if (rawLength === 0 || rawLength > MAX_RAW_BYTES)
      throw new InvalidFrame(`has ${rawLength} raw bytes, not 1 to ${MAX_RAW_BYTES}`);
    const { end, pieces } = readBlocks(frame, headerBytes);
    if (end + (hasChecksum ? 4 : 0) !== frame.length) throw new InvalidFrame('does not end at its last byte');
    const raw = pieces?.reduce((sum, piece) => sum + piece.byteLength, 0);
    if (raw !== undefined && raw !== rawLength)
      throw new InvalidFrame(`has ${raw} raw bytes in its blocks, and a content size of ${rawLength}`);
    return { rawLength, rawPieces: hasChecksum ? undefined : pieces };
  } catch (error) {
    throw error instanceof RangeError ? new InvalidFrame('ends early', { cause: error }) : error;
  }
}

interface FrameHeader {
  readonly headerBytes: number;
  readonly rawLength: number;
  readonly hasChecksum: boolean;
}

function readHeader(frame: Buffer): FrameHeader {
  if (frame.readUInt32LE(0) !== FRAME_MAGIC) throw new InvalidFrame('does not begin with the magic number of zstd');
  const descriptor = frame.readUInt8(4);
  const isSingle = (descriptor & 0x20) !== 0;
  const sizeFlag = (descriptor >> 6) as 0 | 1 | 2 | 3;
  const sizeBytes = isSingle && sizeFlag === 0 ? 1 : SIZE_BYTES[sizeFlag];
  if (sizeBytes === 0) throw new InvalidFrame('has no content size');
  const at = 5 + (isSingle ? 0 : 1) + DICTIONARY_BYTES[(descriptor & 3) as 0 | 1 | 2 | 3];
  const size = sizeBytes === 8 ? Number(frame.readBigUInt64LE(at)) : frame.readUIntLE(at, sizeBytes);
  return {
    headerBytes: at + sizeBytes,
    rawLength: sizeBytes === 2 ? size + 256 : size,
    hasChecksum: (descriptor & 4) !== 0,
  };
}

/** Returns the offset behind the last block, and the blocks if all are raw. */
function readBlocks(frame: Buffer, first: number): { end: number; pieces: Uint8Array[] | undefined } {
  let pieces: Uint8Array[] | undefined = [];
  for (let at = first; ; ) {
    const header = frame.readUIntLE(at, BLOCK_HEADER_BYTES);
    const type = (header >> 1) & 3;
    const size = type === BlockType.RUN ? 1 : header >> 3;
    at += BLOCK_HEADER_BYTES;
    if (type === BlockType.RAW) pieces?.push(frame.subarray(at, at + size));
    else pieces = undefined;
    at += size;
    if ((header & 1) === 1) return { end: at, pieces };
  }
}
