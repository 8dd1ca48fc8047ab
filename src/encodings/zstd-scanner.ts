const FRAME_MAGIC = 0xfd2f_b528;
const SKIPPABLE_MAGIC = 0x184d_2a50;
const HEADER_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;

type Step = 'magic' | 'skippable' | 'descriptor' | 'block' | 'end';

/**
 * Finds the ends of zstd frames by the sizes in their headers and blocks (RFC 8878, section 3),
 * without expanding them. Data that is not a frame never ends: the decoder reports its error.
 */
export class ZstdScanner {
  /** The field that is being read, which has `#fieldBytes` bytes. */
  readonly #field = Buffer.alloc(4);
  #filled = 0;
  #fieldBytes = 4;
  #step: Step = 'magic';
  #skip = 0;
  #hasChecksum = false;
  #isAtEnd = false;

  /**
   * Takes bytes of the current frame and returns the number of those that belong to it. After the
   * frame's end `isEnded` is true.
   */
  push(bytes: Buffer): number {
    let at = 0;
    while (!this.#isAtEnd) {
      const skipped = Math.min(this.#skip, bytes.length - at);
      this.#skip -= skipped;
      at += skipped;
      if (this.#skip > 0) break;
      at += this.#fill(bytes, at);
      if (this.#filled < this.#fieldBytes) break;
      this.#advance();
    }
    return at;
  }

  /** Whether the frame has ended. The next byte begins another frame. */
  get isEnded(): boolean {
    return this.#isAtEnd;
  }

  #fill(bytes: Buffer, at: number): number {
    const length = Math.min(this.#fieldBytes - this.#filled, bytes.length - at);
    bytes.copy(this.#field, this.#filled, at, at + length);
    this.#filled += length;
    return length;
  }

  #advance(): void {
    this.#filled = 0;
    switch (this.#step) {
      case 'magic':
        return this.#magic();
      case 'skippable':
        return this.#read(0, 'end', this.#field.readUInt32LE());
      case 'descriptor':
        return this.#descriptor();
      case 'block':
        return this.#block();
      case 'end':
        this.#isAtEnd = true;
    }
  }

  /** Skips bytes, then reads a field of `bytes` bytes. */
  #read(bytes: number, step: Step, skip = 0): void {
    this.#fieldBytes = bytes;
    this.#step = step;
    this.#skip = skip;
  }

  #magic(): void {
    const magic = this.#field.readUInt32LE();
    if (magic === FRAME_MAGIC) this.#read(1, 'descriptor');
    else if ((magic & ~0xf) === SKIPPABLE_MAGIC) this.#read(4, 'skippable');
    else this.#skip = Number.POSITIVE_INFINITY;
  }

  #descriptor(): void {
    const descriptor = this.#field.readUInt8();
    const isSingle = (descriptor & 0x20) !== 0;
    const sizeFlag = (descriptor >> 6) as 0 | 1 | 2 | 3;
    this.#hasChecksum = (descriptor & 4) !== 0;
    const sizeBytes = isSingle && sizeFlag === 0 ? 1 : CONTENT_SIZE_BYTES[sizeFlag];
    this.#read(3, 'block', (isSingle ? 0 : 1) + HEADER_BYTES[(descriptor & 3) as 0 | 1 | 2 | 3] + sizeBytes);
  }

  #block(): void {
    const header = this.#field.readUIntLE(0, 3);
    const isRepeated = ((header >> 1) & 3) === 1;
    const size = isRepeated ? 1 : header >> 3;
    if ((header & 1) === 0) this.#read(3, 'block', size);
    else this.#read(0, 'end', size + (this.#hasChecksum ? 4 : 0));
  }
}
