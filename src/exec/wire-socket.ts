import type { Socket } from 'node:net';

import type { DirectReading } from '../internal/direct-reading.ts';

/** A connection that has switched from HTTP, without any listeners. */
export interface UpgradedSocket {
  readonly socket: Socket;
  /** Bytes that came directly behind the answer. */
  readonly head: Buffer;
  readonly reading: DirectReading;
}

export interface WireSocketHandlers {
  /**
   * Receives bytes, which are valid only until it returns. An error that it throws ends the
   * connection.
   */
  read(bytes: Buffer): void;
  /** Called once, after the last bytes. */
  closed(error: Error | undefined): void;
}

/** The socket below a wire. It is always read, and reports its end once. */
export class WireSocket {
  readonly #upgraded: UpgradedSocket;
  readonly #socket: Socket;
  readonly #handlers: WireSocketHandlers;
  #error: Error | undefined;
  #closed = false;

  constructor(upgraded: UpgradedSocket, handlers: WireSocketHandlers) {
    this.#upgraded = upgraded;
    this.#socket = upgraded.socket;
    this.#handlers = handlers;
  }

  /** Starts to read. Called once, in the same turn in which the socket switched protocols. */
  start(): void {
    const { socket, head, reading } = this.#upgraded;
    socket.setTimeout(0).setNoDelay(true);
    socket.on('error', (error) => (this.#error ??= error));
    socket.on('close', () => this.#finish());
    // A FIN of the server ends both directions.
    socket.on('end', () => this.#finish());
    if (head.byteLength > 0) this.#read(head);
    // The stream delivers the bytes that it still holds, and none after them if reading is direct.
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    reading.begin((bytes) => this.#read(bytes));
  }

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  /** Whether the socket was terminated or has ended. */
  get isClosed(): boolean {
    return this.#closed;
  }

  write(bytes: Buffer, done: (error: Error | null | undefined) => void): void {
    this.#socket.write(bytes, done);
  }

  /** Sends bytes without a callback, unless the socket is closed. */
  send(bytes: Buffer): void {
    if (!this.#closed && this.#socket.writable) this.#socket.write(bytes);
  }

  /** Destroys the socket. `closed` is not called afterwards. Idempotent. */
  terminate(): void {
    this.#closed = true;
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    if (this.#closed) return;
    try {
      this.#handlers.read(bytes);
    } catch (error) {
      this.#error ??= error instanceof Error ? error : new Error('failed', { cause: error });
      this.#finish();
    }
  }

  #finish(): void {
    if (this.#closed) return;
    this.terminate();
    this.#handlers.closed(this.#error);
  }
}
