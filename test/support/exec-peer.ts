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

/** The server's end of one exec, with scripted behaviour, correct or not. */
export class ExecPeer {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  /** Every received frame. */
  readonly frames: ClientFrame[] = [];
  /** Whether it answers pings. */
  answersPings = true;
  readonly #parser = new ClientFrameParser();
  #waiting: (() => void)[] = [];

  constructor(request: IncomingMessage, socket: Socket, head: Buffer) {
    this.request = request;
    this.socket = socket;
    socket.on('error', () => undefined);
    // Node's server keeps its half open by default.
    socket.on('end', () => socket.end());
    socket.on('close', () => this.#wake());
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    if (head.length > 0) this.#read(head);
  }

  get offered(): readonly string[] {
    return offeredBy(this.request);
  }

  /** Switches to WebSocket, by default with the first offered sub-protocol. */
  accept(protocol: string | undefined = this.offered[0], extra: readonly string[] = []): this {
    this.socket.write(upgradeAnswer(this.request, protocol, extra));
    return this;
  }

  /** Answers with plain HTTP. */
  refuse(status: number, body: string, headers: Readonly<Record<string, string>> = {}): void {
    this.socket.end(httpAnswer(status, body, headers));
  }

  /** Sends a message on a channel as one frame. */
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

  /** Sends a WebSocket close, and ends the connection. */
  close(code = 1000, reason = ''): void {
    this.socket.end(closeFrame(code, reason));
  }

  /** Resets the TCP connection. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** The stdin bytes received so far. */
  get stdin(): Buffer {
    return Buffer.concat(this.stdinMessages.map((message) => message.subarray(1)));
  }

  get stdinMessages(): Buffer[] {
    return this.frames
      .filter(({ opcode, payload }) => opcode === opcodes.binary && payload[0] === 0)
      .map(({ payload }) => payload);
  }

  /** Waits for a condition. Checks it whenever bytes arrive or the connection ends. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when the client has closed its end. */
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
