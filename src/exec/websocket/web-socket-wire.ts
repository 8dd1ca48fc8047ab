import { quote } from '../../internal/quote.ts';
import { channels } from '../channels.ts';
import type { ExecWire, WireHandlers } from '../exec-wire.ts';
import { type UpgradedSocket, WireSocket } from '../wire-socket.ts';
import { encodeFrame, frameInPlace, type MaskMaker } from './frame-encoding.ts';
import { FrameParser, noCode, opcodes } from './frame-parser.ts';

/** The code that stands for an end without a close frame. */
const abnormalClosure = 1006;

/**
 * The channels of an exec over the client's end of an open WebSocket (RFC 6455). The first byte of
 * each message is its channel's number. The wire uses no extensions, sends no fragments, and
 * delivers data as it arrives.
 */
export class WebSocketWire implements ExecWire {
  readonly #socket: WireSocket;
  readonly #handlers: WireHandlers;
  readonly #parser: FrameParser;
  readonly #mask: MaskMaker;
  /** The channel of the present message. */
  #channel = 0;

  constructor(upgraded: UpgradedSocket, handlers: WireHandlers, mask: MaskMaker) {
    this.#mask = mask;
    this.#handlers = handlers;
    this.#parser = new FrameParser({
      data: (bytes, isFirst) => this.#receive(bytes, isFirst),
      ping: (payload) => this.#control(opcodes.pong, payload),
      close: (code, reason) => this.#close(code, reason),
    });
    this.#socket = new WireSocket(upgraded, {
      read: (bytes) => this.#parser.push(bytes),
      closed: (error) => handlers.closed(describe(abnormalClosure, ''), error),
    });
  }

  start(): void {
    this.#socket.start();
  }

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  stdinInPlace(bytes: Buffer, stdinAt: number): Buffer {
    bytes[stdinAt - 1] = channels.stdin;
    return frameInPlace(bytes, stdinAt - 1, { opcode: opcodes.binary, mask: this.#mask });
  }

  write(message: Buffer, done: (error: Error | null | undefined) => void): void {
    this.#socket.write(message, done);
  }

  ping(): void {
    this.#control(opcodes.ping, Buffer.alloc(0));
  }

  terminate(): void {
    this.#socket.terminate();
  }

  #receive(bytes: Buffer, isFirst: boolean): void {
    if (this.#socket.isClosed) return;
    const payload = isFirst ? bytes.subarray(1) : bytes;
    if (isFirst) this.#channel = bytes[0] ?? 0;
    if (payload.byteLength > 0) this.#handlers.data(this.#channel, payload);
  }

  #close(code: number, reason: Buffer): void {
    if (this.#socket.isClosed) return;
    // A close frame is the server's last.
    this.#control(opcodes.close, code === noCode ? Buffer.alloc(0) : Buffer.from([code >> 8, code & 0xff]));
    this.terminate();
    this.#handlers.closed(describe(code, reason.toString('utf8')), undefined);
  }

  #control(opcode: number, payload: Buffer): void {
    this.#socket.send(encodeFrame(payload, { opcode, mask: this.#mask }));
  }
}

function describe(code: number, reason: string): string {
  return `WebSocket close ${code}${reason === '' ? '' : `, ${quote(reason)}`}`;
}
