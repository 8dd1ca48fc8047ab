import { channels } from '../channels.ts';
import type { ExecWire, WireHandlers } from '../exec-wire.ts';
import { type UpgradedSocket, WireSocket } from '../wire-socket.ts';
import { dataFrameInPlace, pingFrame, streamFrame } from './spdy-frames.ts';
import { SpdyParser } from './spdy-parser.ts';

/** A client's streams have increasing odd numbers. The order is kubectl's. */
const streams = [
  { id: 1, type: 'error', channel: channels.status },
  { id: 3, type: 'stdin', channel: channels.stdin },
  { id: 5, type: 'stdout', channel: channels.stdout },
  { id: 7, type: 'stderr', channel: channels.stderr },
] as const;
const stdin = 3;

/** The channels of an exec as streams of SPDY/3.1. The only flow control is the socket's. */
export class SpdyWire implements ExecWire {
  readonly #socket: WireSocket;
  readonly #parser: SpdyParser;
  readonly #handlers: WireHandlers;
  #pingId = -1;

  constructor(upgraded: UpgradedSocket, handlers: WireHandlers) {
    this.#handlers = handlers;
    this.#parser = new SpdyParser({
      data: (stream, bytes) => this.#receive(stream, bytes),
      ended: (stream) => this.#ended(stream),
      reset: (stream, status) => this.#end(`SPDY stream ${typeOf(stream)} reset with status ${status}`),
      ping: (id) => this.#ping(id),
    });
    this.#socket = new WireSocket(upgraded, {
      read: (bytes) => this.#parser.push(bytes),
      closed: (error) => handlers.closed('SPDY connection closed', error),
    });
  }

  start(): void {
    this.#socket.send(Buffer.concat(streams.map(({ id, type }, index) => streamFrame(id, type, index === 0))));
    this.#socket.start();
  }

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  stdinInPlace(bytes: Buffer, stdinAt: number): Buffer {
    return dataFrameInPlace(bytes, stdinAt, stdin);
  }

  write(message: Buffer, done: (error: Error | null | undefined) => void): void {
    this.#socket.write(message, done);
  }

  ping(): void {
    this.#pingId += 2;
    this.#socket.send(pingFrame(this.#pingId));
  }

  terminate(): void {
    this.#socket.terminate();
  }

  #receive(stream: number, bytes: Buffer): void {
    if (this.#socket.isClosed) return;
    const channel = streams.find(({ id }) => id === stream)?.channel;
    if (channel !== undefined) this.#handlers.data(channel, bytes);
  }

  /**
   * The status is the last message of a server, so the end of its stream ends the wire. The end of
   * any other stream adds nothing to the status.
   */
  #ended(stream: number): void {
    if (typeOf(stream) === 'error') this.#end('SPDY status stream ended');
  }

  #end(how: string): void {
    if (this.#socket.isClosed) return;
    this.terminate();
    this.#handlers.closed(how, undefined);
  }

  /**
   * Answers a ping of the server, which has an even number. An odd number is the answer to one of
   * ours.
   */
  #ping(id: number): void {
    if (id % 2 === 0) this.#socket.send(pingFrame(id));
  }
}

function typeOf(stream: number): string {
  return streams.find(({ id }) => id === stream)?.type ?? String(stream);
}
