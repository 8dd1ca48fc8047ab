import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import {
  type ClientFrame,
  ClientFrameParser,
  closeFrame,
  httpAnswer,
  offeredBy,
  opcodes,
  serverFrame,
  upgradeAnswer,
} from './websocket-frames.ts';

/** The server's end of one exec, which does what a test tells it to, right or wrong. */
export class ExecPeer {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  /** Every frame that came, as it came. */
  readonly frames: ClientFrame[] = [];
  /** Whether pings are answered. */
  answersPings = true;
  readonly #parser = new ClientFrameParser();
  #waiting: (() => void)[] = [];

  constructor(request: IncomingMessage, socket: Socket, head: Buffer) {
    this.request = request;
    this.socket = socket;
    socket.on('error', () => undefined);
    // Node's server would keep its half open.
    socket.on('end', () => socket.end());
    socket.on('close', () => this.#wake());
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    if (head.length > 0) this.#read(head);
  }

  get offered(): readonly string[] {
    return offeredBy(this.request);
  }

  /** Switches to WebSocket; without a protocol where `undefined` is given. */
  accept(protocol: string | undefined = this.offered[0], extra: readonly string[] = []): this {
    this.socket.write(upgradeAnswer(this.request, protocol, extra));
    return this;
  }

  /** Answers with plain HTTP instead. */
  refuse(status: number, body: string, headers: Readonly<Record<string, string>> = {}): void {
    this.socket.end(httpAnswer(status, body, headers));
  }

  /** A message on a channel, as one frame. */
  send(channel: number, payload: Buffer | string = ''): this {
    return this.sendFrame(opcodes.binary, Buffer.concat([Buffer.from([channel]), Buffer.from(payload)]));
  }

  sendFrame(opcode: number, payload: Buffer, isFinal = true): this {
    this.socket.write(serverFrame(opcode, payload, isFinal));
    return this;
  }

  sendStatus(status: object): this {
    return this.send(3, JSON.stringify(status));
  }

  /** A proper WebSocket close, and the end of the connection. */
  close(code = 1000, reason = ''): void {
    this.socket.end(closeFrame(code, reason));
  }

  /** A TCP reset. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** The bytes that came for stdin so far. */
  get stdin(): Buffer {
    return Buffer.concat(this.stdinMessages.map((message) => message.subarray(1)));
  }

  get stdinMessages(): Buffer[] {
    return this.frames
      .filter(({ opcode, payload }) => opcode === opcodes.binary && payload[0] === 0)
      .map(({ payload }) => payload);
  }

  /** Waits until it is so; looks again whenever something came or the connection ended. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when the other end is gone. */
  async gone(): Promise<void> {
    await this.until(() => this.socket.destroyed || this.socket.readableEnded);
  }

  #read(chunk: Buffer): void {
    for (const frame of this.#parser.push(chunk)) {
      this.frames.push(frame);
      if (frame.opcode === opcodes.ping && this.answersPings) this.sendFrame(opcodes.pong, frame.payload);
    }
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
