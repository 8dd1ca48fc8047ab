import { freeableBytes, freeBytes } from './free-bytes.ts';
import { SharedMemory } from './shared-memory.ts';

const firstBytes: number = 32 * 1024;

/** Bytes with memory of their own. */
export interface CollectedBytes {
  readonly bytes: Buffer;
  readonly memory: SharedMemory;
}

/**
 * Copies bytes one behind the other into memory of their own. The memory is as large as the bytes that
 * were taken before suggest, so that few bytes hold little memory, and many are copied once.
 */
export class ByteCollector {
  readonly #capacity: number;
  #buffer: Buffer | undefined;
  #length = 0;
  /** The size of the next buffer. */
  #nextBytes: number;

  /** @param capacity - the maximum number of bytes */
  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#nextBytes = Math.min(firstBytes, capacity);
  }

  /** The number of bytes since the last `take`. */
  get length(): number {
    return this.#length;
  }

  /** The number of bytes that can be added before the next `take`. */
  get room(): number {
    return this.#capacity - this.#length;
  }

  /** A view of the bytes since the last `take`, valid until the next `add`. */
  get bytes(): Buffer {
    return this.#buffer?.subarray(0, this.#length) ?? Buffer.alloc(0);
  }

  /** Appends a copy of the bytes. @throws RangeError - there is no room for them */
  add(bytes: Uint8Array): void {
    if (bytes.byteLength > this.room) throw new RangeError(`no room for ${bytes.byteLength} bytes`);
    const length = this.#length + bytes.byteLength;
    this.#bufferFor(length).set(bytes, this.#length);
    this.#length = length;
  }

  /** Removes and returns all bytes. */
  take(): CollectedBytes {
    const [buffer, length] = [this.#buffer ?? Buffer.alloc(0), this.#length];
    this.#length = 0;
    this.#nextBytes = Math.min(Math.max(firstBytes, length), this.#capacity);
    // The bytes do not hold much more memory than they need.
    if (2 * length < buffer.byteLength) {
      const bytes = freeableBytes(length);
      bytes.set(buffer.subarray(0, length));
      return { bytes, memory: new SharedMemory(bytes) };
    }
    this.#buffer = undefined;
    return { bytes: buffer.subarray(0, length), memory: new SharedMemory(buffer) };
  }

  #bufferFor(length: number): Buffer {
    const buffer = this.#buffer;
    if (buffer !== undefined && buffer.byteLength >= length) return buffer;
    const size = Math.min(Math.max(this.#nextBytes, length, 2 * (buffer?.byteLength ?? 0)), this.#capacity);
    const larger = freeableBytes(size);
    if (buffer !== undefined) {
      larger.set(buffer.subarray(0, this.#length));
      freeBytes(buffer);
    }
    this.#buffer = larger;
    return larger;
  }
}
