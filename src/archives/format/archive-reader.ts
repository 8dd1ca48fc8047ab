import { ZstdScanner } from '../../encodings/zstd-scanner.ts';
import { ArchiveDamagedError, type ArchiveFacts } from '../../errors/store.ts';
import { ByteCollector, type CollectedBytes } from '../../internal/byte-collector.ts';
import type { ArchiveFrame } from '../../stores/frame-store.ts';
import { MAX_FRAMES, SeekTable, TABLE_MAGIC } from './seek-table.ts';
import { FRAME_MAGIC, InvalidFrame, MAX_STORED_BYTES, readZstdFrame } from './zstd-frame.ts';

const MAGIC_BYTES = 4;

/** Turns the bytes of a store, in any chunks, into the frames of the raw archive. Decodes nothing. */
export class ArchiveReader {
  readonly #facts: ArchiveFacts & { readonly key: string };
  readonly #table = new SeekTable();
  /** The bytes of the current frame. */
  readonly #held = new ByteCollector(MAX_STORED_BYTES);
  #scanner: ZstdScanner | undefined;
  /** The seek table that follows the frames, once it has begun, and the part that has not arrived. */
  #expected: Buffer | undefined;
  #rawBytes = 0;

  /** @param facts - for errors */
  constructor(facts: ArchiveFacts & { readonly key: string }) {
    this.#facts = facts;
  }

  /** The number of raw bytes of all frames so far. */
  get rawBytes(): number {
    return this.#rawBytes;
  }

  /**
   * Returns the frames that the bytes complete. Does not use the bytes later.
   *
   * @throws ArchiveDamagedError - the bytes are not those of an archive
   */
  push(bytes: Uint8Array): ArchiveFrame[] {
    const frames: ArchiveFrame[] = [];
    for (let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength); rest.length > 0; ) {
      if (this.#expected !== undefined) rest = this.#compare(this.#expected, rest);
      else if (this.#scanner === undefined) rest = this.#magic(rest);
      else rest = this.#part(this.#scanner, rest, frames);
    }
    return frames;
  }

  /** @throws ArchiveDamagedError - bytes are missing */
  end(): void {
    if (this.#expected === undefined || this.#expected.length > 0) throw this.#damaged('it ends early');
  }

  /** Takes the magic number of a frame or of the table. Returns the rest. */
  #magic(bytes: Buffer): Buffer {
    const rest = this.#take(bytes, MAGIC_BYTES - this.#held.length);
    if (this.#held.length < MAGIC_BYTES) return rest;
    const head = Buffer.from(this.#held.bytes);
    const magic = head.readUInt32LE();
    if (magic === TABLE_MAGIC) this.#expected = this.#table.encode().subarray(MAGIC_BYTES);
    else if (magic !== FRAME_MAGIC) throw this.#damaged('something other than a frame follows its frames');
    else {
      this.#scanner = new ZstdScanner();
      this.#scanner.push(head);
    }
    return rest;
  }

  /** Takes bytes of the current frame. Returns the rest. */
  #part(scanner: ZstdScanner, bytes: Buffer, frames: ArchiveFrame[]): Buffer {
    const count = scanner.push(bytes);
    if (count > this.#held.room) throw this.#damaged(`a frame is larger than ${MAX_STORED_BYTES} bytes`);
    const rest = this.#take(bytes, count);
    if (!scanner.isEnded) return rest;
    frames.push(this.#frame(this.#held.take()));
    this.#scanner = undefined;
    return rest;
  }

  #take(bytes: Buffer, count: number): Buffer {
    this.#held.add(bytes.subarray(0, count));
    return bytes.subarray(count);
  }

  #frame({ bytes: stored, memory }: CollectedBytes): ArchiveFrame {
    if (this.#table.frames >= MAX_FRAMES) throw this.#damaged(`it has more than ${MAX_FRAMES} frames`);
    try {
      const { rawLength, rawPieces } = readZstdFrame(stored);
      this.#table.add(stored.length, rawLength);
      this.#rawBytes += rawLength;
      if (rawPieces === undefined) return { encoding: 'zstd', rawLength, bytes: stored, memory };
      return { encoding: 'raw', rawLength, bytes: joined(rawPieces, stored), memory };
    } catch (error) {
      throw error instanceof InvalidFrame ? this.#damaged(`a frame ${error.message}`, error) : error;
    }
  }

  /** Compares the seek table with that of the frames. Returns the rest. */
  #compare(expected: Buffer, bytes: Buffer): Buffer {
    if (expected.length === 0) throw this.#damaged('bytes follow its seek table');
    const part = bytes.subarray(0, expected.length);
    if (!part.equals(expected.subarray(0, part.length)))
      throw this.#damaged('its seek table does not agree with its frames');
    this.#expected = expected.subarray(part.length);
    return bytes.subarray(part.length);
  }

  #damaged(detail: string, cause?: Error): ArchiveDamagedError {
    return new ArchiveDamagedError(this.#facts, detail, { cause });
  }
}

/** Moves the pieces of a buffer, in their order, to its beginning. Returns them without a copy. */
function joined(pieces: readonly Uint8Array[], buffer: Buffer): Buffer {
  let length = 0;
  for (const { byteOffset, byteLength } of pieces) {
    const start = byteOffset - buffer.byteOffset;
    buffer.copyWithin(length, start, start + byteLength);
    length += byteLength;
  }
  return buffer.subarray(0, length);
}
