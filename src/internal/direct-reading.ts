import type { Socket } from 'node:net';

/** The maximum number of bytes that a socket reads at once. A record of TLS is smaller. */
const readBytes: number = 64 * 1024;

/**
 * Reads a socket into one reused buffer. A stream would allocate a buffer for each read. This is
 * garbage outside of the collector's heap, which alone makes the collector run.
 */
export class DirectReading {
  #socket: Socket | undefined;
  #receive: ((bytes: Buffer) => void) | undefined;

  /**
   * Returns the option `onread` of `net.connect` and `tls.connect`, with a new buffer. Called once,
   * and not for a tunnel, which is read as a stream.
   */
  onread(): { readonly buffer: Buffer; readonly callback: (count: number) => boolean } {
    const buffer = Buffer.allocUnsafeSlow(readBytes);
    return { buffer, callback: (count) => this.#read(buffer.subarray(0, count)) };
  }

  /**
   * Sets the socket that was created with `onread`. Its stream receives the bytes until `begin`.
   */
  serve(socket: Socket): void {
    this.#socket = socket;
  }

  /** Passes all further bytes to `receive`. They are valid only until that returns. */
  begin(receive: (bytes: Buffer) => void): void {
    this.#receive = receive;
  }

  #read(bytes: Buffer): boolean {
    if (this.#receive === undefined) return this.#socket?.push(Buffer.from(bytes)) ?? true;
    this.#receive(bytes);
    return true;
  }
}
