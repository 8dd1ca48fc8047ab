import { type ExecWire, messageHeadBytes } from './exec-wire.ts';
import type { MessageBuffers } from './message-buffers.ts';

/**
 * The most bytes of stdin in one message, far below the server's cap of 32 MiB, above which it closes without a status. A container runtime written in Go
 * reads a message of WebSocket into a slice that it grows step by step, and each step is garbage: with its channel's byte, this fits one step exactly, and makes
 * less garbage for a byte than messages of 32, 64, 128 or 256 KiB do.
 */
export const maxStdinBytes: number = 57_342;

/** What a buffer for the largest message needs. */
export const messageBufferBytes: number = messageHeadBytes + maxStdinBytes;

/** Below this a message has memory of its own. */
const smallBytes = 4 * 1024;

/** A message for stdin as it goes to the socket. */
export interface StdinFrame {
  readonly bytes: Buffer;
  readonly stdinBytes: number;
  /** To be called when the socket has taken the bytes, once. */
  release(): void;
}

/** Makes messages for stdin: as few as possible, each byte copied once, next to its head, so that nothing on the way to the wire has to put them together. */
export class StdinFrames {
  readonly #buffers: MessageBuffers;
  readonly #wire: Pick<ExecWire, 'stdinInPlace'>;

  constructor(buffers: MessageBuffers, wire: Pick<ExecWire, 'stdinInPlace'>) {
    this.#buffers = buffers;
    this.#wire = wire;
  }

  /** Carries these bytes, in order; nothing for no bytes. They may be changed afterwards. */
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
    const buffer = isSmall ? Buffer.allocUnsafe(messageHeadBytes + stdinBytes) : this.#buffers.take();
    const bytes = buffer.subarray(0, messageHeadBytes + stdinBytes);
    reader.copyTo(bytes.subarray(messageHeadBytes));
    const frame = this.#wire.stdinInPlace(bytes, messageHeadBytes);
    return { bytes: frame, stdinBytes, release: () => (isSmall ? undefined : this.#buffers.giveBack(buffer)) };
  }
}

/** Reads a list of chunks as if it was one. */
class ChunkReader {
  readonly #chunks: readonly Uint8Array[];
  #index = 0;
  #offset = 0;

  constructor(chunks: readonly Uint8Array[]) {
    this.#chunks = chunks;
  }

  /** Fills the target; the chunks must have that much left. */
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
