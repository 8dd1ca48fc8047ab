import type { Socket } from 'node:net';

import type { DirectReading } from './direct-reading.ts';

/** A connection that has switched from HTTP, without any listeners. */
export interface UpgradedSocket {
  readonly socket: Socket;
  /** Bytes that came directly behind the answer. */
  readonly head: Buffer;
  readonly reading: DirectReading;
}

export interface WireSocketHandlers {
  /** Some bytes that came, the callee's until it returns; what it throws ends the connection. */
  read(bytes: Buffer): void;
  /** Called once: no more can come. */
  closed(error: Error | undefined): void;
}

/** The socket below a wire: it is always read, and ends once. */
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

  /** Begins to read. Called once, at once. */
  start(): void {
    const { socket, head, reading } = this.#upgraded;
    socket.setTimeout(0).setNoDelay(true);
    socket.on('error', (error) => (this.#error ??= error));
    socket.on('close', () => this.#finish());
    // The server's FIN ends our side as well.
    socket.on('end', () => this.#finish());
    if (head.byteLength > 0) this.#read(head);
    // What the stream still has comes first, and nothing behind it any more where reading is direct.
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    reading.begin((bytes) => this.#read(bytes));
  }

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  /** Whether it was let go of, or has ended. */
  get isClosed(): boolean {
    return this.#closed;
  }

  write(bytes: Buffer, done: (error: Error | null | undefined) => void): void {
    this.#socket.write(bytes, done);
  }

  /** Sends something that nobody waits for, if that can still be sent. */
  say(bytes: Buffer): void {
    if (!this.#closed && this.#socket.writable) this.#socket.write(bytes);
  }

  /** `closed` is not called any more. Idempotent. */
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
