import type { Socket } from 'node:net';

import type { DirectReading } from './direct-reading.ts';
import { encodeFrame, type MaskMaker } from './frame-encoding.ts';
import { FrameParser, noCode, opcodes } from './frame-parser.ts';

/** What a connection that was upgraded is. */
export interface UpgradedSocket {
  readonly socket: Socket;
  /** What came right behind the answer. */
  readonly head: Buffer;
  /** The sub-protocol that the server has picked. */
  readonly protocol: string;
  readonly mask: MaskMaker;
  /** Where the socket has one. */
  readonly reading?: DirectReading | undefined;
}

/** Who is told what comes. */
export interface WebSocketHandlers {
  /** As `FrameSink.data`; the bytes are the callee's only until it returns. */
  data(bytes: Buffer, isFirst: boolean): void;
  /** Called once: no more can come. `code` is that of the server's close, or 1006 where it sent none. */
  closed(code: number, reason: string, error: Error | undefined): void;
}

const abnormalClosure = 1006;

/** The client's end of a WebSocket (RFC 6455) that is open: no extensions, no fragments sent, data given as it comes. It always reads. */
export class WebSocketClient {
  readonly protocol: string;
  readonly mask: MaskMaker;
  readonly #socket: Socket;
  readonly #handlers: WebSocketHandlers;
  readonly #parser: FrameParser;
  #error: Error | undefined;
  #closed = false;

  /** Takes over a socket on which nobody else listens. */
  constructor({ socket, head, protocol, mask, reading }: UpgradedSocket, handlers: WebSocketHandlers) {
    this.protocol = protocol;
    this.mask = mask;
    this.#socket = socket;
    this.#handlers = handlers;
    this.#parser = new FrameParser({
      data: (bytes, isFirst) => {
        if (!this.#closed) handlers.data(bytes, isFirst);
      },
      ping: (payload) => this.#control(opcodes.pong, payload),
      close: (code, reason) => {
        // The server has nothing more to say, nor waits for anything.
        this.#control(opcodes.close, code === noCode ? Buffer.alloc(0) : Buffer.from([code >> 8, code & 0xff]));
        this.#finish(code, reason.toString('utf8'));
      },
    });
    socket.setTimeout(0).setNoDelay(true);
    socket.on('error', (error) => (this.#error ??= error));
    socket.on('close', () => this.#finish(abnormalClosure, ''));
    // The server's FIN ends our side as well.
    socket.on('end', () => this.#finish(abnormalClosure, ''));
    if (head.byteLength > 0) this.#read(head);
    // What the stream still has comes first, and nothing behind it any more where reading is direct.
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    reading?.begin((bytes) => this.#read(bytes));
  }

  /** Bytes of any kind that came over the socket. */
  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  /** Sends a frame. `done` is called once, when it has left this process or cannot. */
  write(frame: Buffer, done: (error: Error | null | undefined) => void): void {
    this.#socket.write(frame, done);
  }

  ping(): void {
    this.#control(opcodes.ping, Buffer.alloc(0));
  }

  /** Lets go of the socket at once. `closed` is not called any more. Idempotent. */
  terminate(): void {
    this.#closed = true;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#closed) return;
    try {
      this.#parser.push(chunk);
    } catch (error) {
      this.#error ??= error instanceof Error ? error : new Error('failed', { cause: error });
      this.#finish(abnormalClosure, '');
    }
  }

  #control(opcode: number, payload: Buffer): void {
    if (!this.#closed && this.#socket.writable) this.#socket.write(encodeFrame(payload, { opcode, mask: this.mask }));
  }

  #finish(code: number, reason: string): void {
    if (this.#closed) return;
    this.terminate();
    this.#handlers.closed(code, reason, this.#error);
  }
}
