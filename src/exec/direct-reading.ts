import type { Socket } from 'node:net';

/** What a socket reads at once at most; of TLS a record, which is smaller. */
const readBytes: number = 64 * 1024;

/**
 * Reads a socket into one buffer that is used again: a buffer for each read, as the stream has it, is garbage outside of the collector's heap as fast as bytes
 * come, and makes the collector run for nothing else.
 */
export class DirectReading {
  #socket: Socket | undefined;
  #take: ((bytes: Buffer) => void) | undefined;

  /** For `net.connect` and `tls.connect`. */
  readonly onread: { readonly buffer: Buffer; readonly callback: (count: number, buffer: Uint8Array) => boolean } = {
    buffer: Buffer.allocUnsafeSlow(readBytes),
    callback: (count) => this.#read(this.onread.buffer.subarray(0, count)),
  };

  /** The socket that was made with `onread`. What comes goes into its stream until somebody takes it. */
  serve(socket: Socket): void {
    this.#socket = socket;
  }

  /** From now on everything that comes is given to `take`, whose it is only until that returns. */
  begin(take: (bytes: Buffer) => void): void {
    this.#take = take;
  }

  #read(bytes: Buffer): boolean {
    if (this.#take === undefined) return this.#socket?.push(Buffer.from(bytes)) ?? true;
    this.#take(bytes);
    return true;
  }
}
