import type { Socket } from 'node:net';

import type { RawData, WebSocket } from 'ws';

import { ProtocolViolationError } from '../../errors/connection.ts';
import { quote } from '../../internal/quote.ts';
import { channels } from '../channels.ts';
import type { ExecWire, WireHandlers } from '../exec-wire.ts';

/**
 * Smaller messages get their own buffer, so that a retained slice does not pin what was read with
 * it.
 */
const smallBytes = 4 * 1024;

/**
 * The channels of an exec over an open WebSocket: the first byte of each message is the channel's
 * number.
 */
export class WebSocketWire implements ExecWire {
  readonly #websocket: WebSocket;
  readonly #socket: Socket;
  readonly #handlers: WireHandlers;
  #error: Error | undefined;
  #closed = false;

  constructor(websocket: WebSocket, socket: Socket, handlers: WireHandlers) {
    this.#websocket = websocket;
    this.#socket = socket;
    this.#handlers = handlers;
  }

  start(): void {
    this.#websocket
      .on('message', (message, isBinary) => {
        if (isBinary) this.#receive(message);
      })
      // After the handshake `ws` emits only violations of the protocol.
      .on('error', (error) => {
        this.#error ??= new ProtocolViolationError(error.message, { cause: error });
        this.#websocket.terminate();
      })
      .on('close', (code, reason) => this.#finish(code, reason));
    // `ws` does not report the socket's error, and after a FIN it would wait until everything is
    // sent.
    this.#socket.on('error', (error) => (this.#error ??= error)).on('end', () => this.#websocket.terminate());
  }

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  stdinInPlace(bytes: Buffer, stdinAt: number): Buffer {
    bytes[stdinAt - 1] = channels.stdin;
    return bytes.subarray(stdinAt - 1);
  }

  write(message: Buffer, done: (error: Error | null | undefined) => void): void {
    this.#websocket.send(message, done);
  }

  ping(): void {
    this.#websocket.ping();
  }

  terminate(): void {
    this.#closed = true;
    this.#websocket.terminate();
  }

  /** `ws` delivers a message whole, as one Buffer. */
  #receive(message: RawData): void {
    if (this.#closed || !Buffer.isBuffer(message) || message.byteLength < 2) return;
    const bytes = message.subarray(1);
    this.#handlers.data(message[0] ?? 0, message.byteLength < smallBytes ? Buffer.from(bytes) : bytes);
  }

  #finish(code: number, reason: Buffer): void {
    if (this.#closed) return;
    this.terminate();
    const words = reason.toString('utf8');
    this.#handlers.closed(`WebSocket close ${code}${words === '' ? '' : `, ${quote(words)}`}`, this.#error);
  }
}
