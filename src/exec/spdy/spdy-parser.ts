import { ProtocolViolationError } from '../../errors/connection.ts';
import { controlTypes, headBytes } from './spdy-frames.ts';

/** Receives the server's frames. */
export interface SpdySink {
  /** Receives at least one byte of a data frame. The bytes are a view of the pushed chunk. */
  data(stream: number, bytes: Buffer): void;
  /** The server has ended a stream. */
  ended(stream: number): void;
  /** The server has aborted a stream. */
  reset(stream: number, status: number): void;
  ping(id: number): void;
}

const maxControlBytes: number = 64 * 1024;
const finFlag = 0x01;

/**
 * Parses a server's bytes into frames of SPDY/3.1. It delivers data in the pieces in which it
 * arrives, without gathering or copying it. It delivers the control frames that the client of an
 * exec needs, and discards replies, settings, headers, windows (which Kubernetes' servers do not
 * use) and GOAWAY. After an error it must not be used again.
 */
export class SpdyParser {
  readonly #sink: SpdySink;
  readonly #head: Buffer = Buffer.alloc(headBytes);
  #headHas = 0;
  /** Bytes of the frame's payload that have not arrived yet. */
  #left = 0;
  #control: Buffer[] = [];

  constructor(sink: SpdySink) {
    this.#sink = sink;
  }

  /** @throws ProtocolViolationError - the frame is invalid. Errors of the sink pass through. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.byteLength) {
      if (this.#left === 0) {
        at += this.#takeHead(chunk, at);
      } else {
        const bytes = chunk.subarray(at, at + this.#left);
        at += bytes.byteLength;
        this.#left -= bytes.byteLength;
        this.#takePayload(bytes);
      }
    }
  }

  get #isControl(): boolean {
    return ((this.#head[0] ?? 0) & 0x80) !== 0;
  }

  /** Returns how many bytes of the chunk it has used. */
  #takeHead(chunk: Buffer, at: number): number {
    const used = chunk.copy(this.#head, this.#headHas, at, at + headBytes - this.#headHas);
    this.#headHas += used;
    if (this.#headHas < headBytes) return used;
    this.#headHas = 0;
    this.#left = this.#head.readUIntBE(5, 3);
    if (this.#isControl && this.#head.readUInt16BE(0) !== 0x8003)
      throw new ProtocolViolationError('a frame of another protocol than SPDY/3');
    if (this.#isControl && this.#left > maxControlBytes)
      throw new ProtocolViolationError(`a SPDY control frame of ${this.#left} bytes`);
    if (this.#left === 0) this.#end();
    return used;
  }

  #takePayload(bytes: Buffer): void {
    if (this.#isControl) this.#control.push(Buffer.from(bytes));
    else this.#sink.data(this.#head.readUInt32BE(0), bytes);
    if (this.#left === 0) this.#end();
  }

  #end(): void {
    if (this.#isControl) this.#endControl(this.#head.readUInt16BE(2), Buffer.concat(this.#control.splice(0)));
    else if (((this.#head[4] ?? 0) & finFlag) !== 0) this.#sink.ended(this.#head.readUInt32BE(0));
  }

  #endControl(type: number, payload: Buffer): void {
    if (type === controlTypes.ping) this.#sink.ping(this.#uint32(payload, 0));
    if (type === controlTypes.rstStream)
      this.#sink.reset(this.#uint32(payload, 0) & 0x7fffffff, this.#uint32(payload, 4));
  }

  #uint32(payload: Buffer, at: number): number {
    if (payload.byteLength < at + 4) throw new ProtocolViolationError('a SPDY control frame that is too short');
    return payload.readUInt32BE(at);
  }
}
