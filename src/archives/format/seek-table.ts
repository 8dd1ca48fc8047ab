/** The magic number of the skippable frame that has the seek table. */
export const TABLE_MAGIC = 0x184d_2a5e;
/** Bounds the memory for the table (64 MiB). Frames of full size have 2 TiB then. */
export const MAX_FRAMES: number = 8 * 1024 * 1024;

const SEEKABLE_MAGIC = 0x8f92_eab1;
const HEADER_BYTES = 8;
const ENTRY_BYTES = 8;
const FOOTER_BYTES = 9;
const BLOCK_BYTES: number = 64 * 1024;

/**
 * The stored and raw length of each frame, in order. Encoded as in the seekable format of zstd,
 * version 0.1.0, without checksums.
 */
export class SeekTable {
  readonly #blocks: Buffer[] = [];
  #frames = 0;

  /** The number of frames. */
  get frames(): number {
    return this.#frames;
  }

  /** The caller adds at most `MAX_FRAMES`. */
  add(storedLength: number, rawLength: number): void {
    const at = (this.#frames * ENTRY_BYTES) % BLOCK_BYTES;
    if (at === 0) this.#blocks.push(Buffer.alloc(BLOCK_BYTES));
    const block = this.#blocks.at(-1);
    block?.writeUInt32LE(storedLength, at);
    block?.writeUInt32LE(rawLength, at + 4);
    this.#frames += 1;
  }

  /** Returns the skippable frame. */
  encode(): Buffer {
    const entries = Buffer.concat(this.#blocks, this.#frames * ENTRY_BYTES);
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32LE(TABLE_MAGIC, 0);
    header.writeUInt32LE(entries.length + FOOTER_BYTES, 4);
    const footer = Buffer.alloc(FOOTER_BYTES);
    footer.writeUInt32LE(this.#frames, 0);
    footer.writeUInt32LE(SEEKABLE_MAGIC, 5);
    return Buffer.concat([header, entries, footer]);
  }
}
