import { ProtocolViolationError } from '../../errors/connection.ts';

/** Opcodes of WebSocket frames (RFC 6455, 5.2). */
export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Receives the server's frames. */
export interface FrameSink {
  /**
   * Receives at least one byte of a binary message. `isFirst` is true if the message begins with
   * these bytes. They are a view of the pushed chunk.
   */
  data(bytes: Buffer, isFirst: boolean): void;
  ping(payload: Buffer): void;
  close(code: number, reason: Buffer): void;
}

/** One MiB above the largest message of a Kubernetes server. */
const maxFrameBytes = 33 * 1024 * 1024;
const maxControlBytes = 125;
/** The code that stands for a close without a code. */
export const noCode = 1005;

/**
 * Parses a server's bytes into frames. It delivers data in the pieces in which it arrives, without
 * gathering or copying it, so the size of a message costs no memory. It discards texts. After an
 * error it must not be used again.
 */
export class FrameParser {
  readonly #sink: FrameSink;
  readonly #header: Buffer = Buffer.alloc(10);
  #headerBytes = 0;
  /** Bytes of the frame's payload that have not arrived yet. */
  #left = 0;
  #opcode: number = opcodes.binary;
  #control: Buffer[] = [];
  /** The state of the present message. `begins` lasts until the first byte of a binary message. */
  #message: 'none' | 'begins' | 'continues' | 'dropped' = 'none';
  #isLastFrame = true;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** @throws ProtocolViolationError - the frame is invalid. Errors of the sink pass through. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.byteLength) {
      if (this.#left === 0) {
        at += this.#takeHeader(chunk, at);
      } else {
        const bytes = chunk.subarray(at, at + this.#left);
        at += bytes.byteLength;
        this.#left -= bytes.byteLength;
        this.#takePayload(bytes);
      }
    }
  }

  /** Returns how many bytes of the chunk it has used. */
  #takeHeader(chunk: Buffer, at: number): number {
    const header = this.#header;
    const wanted = headerBytes(header, this.#headerBytes);
    const used = chunk.copy(header, this.#headerBytes, at, at + wanted - this.#headerBytes);
    this.#headerBytes += used;
    if (this.#headerBytes < headerBytes(header, this.#headerBytes)) return used;
    this.#headerBytes = 0;
    this.#begin(header);
    if (this.#left === 0) this.#endFrame();
    return used;
  }

  #begin(header: Buffer): void {
    const [first = 0, second = 0] = header;
    const short = second & 0x7f;
    const length = short < 126 ? short : short === 126 ? header.readUInt16BE(2) : Number(header.readBigUInt64BE(2));
    this.#opcode = first & 0x0f;
    const isFinal = (first & 0x80) !== 0;
    if ((first & 0x70) !== 0 || (second & 0x80) !== 0)
      throw new ProtocolViolationError('a WebSocket frame with an extension or a mask');
    if (length > maxFrameBytes) throw new ProtocolViolationError(`a WebSocket frame of ${length} bytes`);
    if (this.#isControl && (!isFinal || length > maxControlBytes))
      throw new ProtocolViolationError('an invalid WebSocket control frame');
    if (!this.#isControl) this.#beginData(isFinal);
    this.#left = length;
  }

  #beginData(isFinal: boolean): void {
    const isContinuation = this.#opcode === opcodes.continuation;
    if (isContinuation !== (this.#message !== 'none') || this.#opcode > opcodes.binary)
      throw new ProtocolViolationError(`a WebSocket frame of type ${this.#opcode} in the wrong place`);
    if (!isContinuation) this.#message = this.#opcode === opcodes.binary ? 'begins' : 'dropped';
    this.#isLastFrame = isFinal;
  }

  #takePayload(bytes: Buffer): void {
    if (this.#isControl) this.#control.push(Buffer.from(bytes));
    else if (this.#message !== 'dropped') {
      const isFirst = this.#message === 'begins';
      this.#message = 'continues';
      this.#sink.data(bytes, isFirst);
    }
    if (this.#left === 0) this.#endFrame();
  }

  #endFrame(): void {
    if (this.#isControl) this.#endControl(Buffer.concat(this.#control.splice(0)));
    else if (this.#isLastFrame) this.#message = 'none';
  }

  #endControl(payload: Buffer): void {
    if (this.#opcode === opcodes.ping) this.#sink.ping(payload);
    else if (this.#opcode === opcodes.close)
      this.#sink.close(payload.byteLength < 2 ? noCode : payload.readUInt16BE(0), payload.subarray(2));
    else if (this.#opcode !== opcodes.pong)
      throw new ProtocolViolationError(`a WebSocket frame of type ${this.#opcode}`);
  }

  get #isControl(): boolean {
    return this.#opcode >= opcodes.close;
  }
}

/** Returns the size of a header, as far as its first `have` bytes determine it. */
function headerBytes(header: Buffer, have: number): number {
  const short = have < 2 ? 0 : (header[1] ?? 0) & 0x7f;
  return short < 126 ? 2 : short === 126 ? 4 : 10;
}
