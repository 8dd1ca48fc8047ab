import { type ExecWire, messageHeadBytes } from './exec-wire.ts';
import type { MessageBuffers } from './message-buffers.ts';

/**
 * The maximum number of bytes of stdin in one message, far below the server's limit of 32 MiB,
 * above which the server closes without a status. A container runtime written in Go reads a message
 * of WebSocket into a slice that it grows step by step, and each step is garbage. With its
 * channel's byte, a message of this size fits one step exactly, and causes less garbage per byte
 * than messages of 32, 64, 128 or 256 KiB.
 */
export const maxStdinBytes: number = 57_342;

/** The size of a buffer for the largest message. */
export const messageBufferBytes: number = messageHeadBytes + maxStdinBytes;

/** Smaller messages get their own buffer, outside of the pool. */
const smallBytes = 4 * 1024;

/** A message for stdin, ready for the wire. */
export interface StdinFrame {
  readonly bytes: Buffer;
  readonly stdinBytes: number;
  /** Releases the bytes. To be called once, after they have been sent. */
  release(): void;
}

/**
 * Creates messages for stdin, as few as possible. It copies each byte once, directly behind the
 * message's head, so that head and bytes need not be joined later.
 */
export class StdinFrames {
  readonly #buffers: MessageBuffers;
  readonly #wire: Pick<ExecWire, 'stdinInPlace'>;

  constructor(buffers: MessageBuffers, wire: Pick<ExecWire, 'stdinInPlace'>) {
    this.#buffers = buffers;
    this.#wire = wire;
  }

  /**
   * Yields messages with these bytes in order, none for no bytes. The chunks may change afterwards.
   */
  *encode(chunks: readonly Uint8Array[]): Generator<StdinFrame, void, undefined> {
    const reader = new ChunkReader(chunks);
    let left = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    while (left > 0) {
      const stdinBytes = Math.min(left, maxStdinBytes);
      yield this.#frame(reader, stdinBytes);
      left -= stdinBytes;
    }
  }

  #frame(reader: ChunkReader, stdinBytes: number): StdinFrame {
    const isSmall = stdinBytes < smallBytes;
    const buffer = isSmall ? Buffer.allocUnsafe(messageHeadBytes + stdinBytes) : this.#buffers.acquire();
    const bytes = buffer.subarray(0, messageHeadBytes + stdinBytes);
    reader.copyTo(bytes.subarray(messageHeadBytes));
    const frame = this.#wire.stdinInPlace(bytes, messageHeadBytes);
    return { bytes: frame, stdinBytes, release: () => (isSmall ? undefined : this.#buffers.release(buffer)) };
  }
}

/** Reads a list of chunks as one sequence of bytes. */
class ChunkReader {
  readonly #chunks: readonly Uint8Array[];
  #index = 0;
  #offset = 0;

  constructor(chunks: readonly Uint8Array[]) {
    this.#chunks = chunks;
  }

  /** Fills the target. The chunks must have that many bytes left. */
  copyTo(target: Uint8Array): void {
    let written = 0;
    while (written < target.byteLength) {
      const chunk = this.#chunks[this.#index];
      if (chunk === undefined) throw new RangeError('the chunks have fewer bytes than the target');
      const part = chunk.subarray(this.#offset, this.#offset + target.byteLength - written);
      target.set(part, written);
      written += part.byteLength;
      this.#offset += part.byteLength;
      if (this.#offset === chunk.byteLength) {
        this.#index += 1;
        this.#offset = 0;
      }
    }
  }
}
