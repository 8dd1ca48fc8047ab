/** Opcodes of WebSocket frames. */
export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A frame as it came from a client. */
export interface ClientFrame {
  readonly isFinal: boolean;
  readonly opcode: number;
  readonly isMasked: boolean;
  readonly payload: Buffer;
}

/** A server's frame. Written here and not borrowed from `ws`, so that a mistake in framing cannot cancel out. */
export function serverFrame(opcode: number, payload: Buffer, isFinal = true): Buffer {
  const first = (isFinal ? 0x80 : 0) | opcode;
  if (payload.length < 126) return Buffer.concat([Buffer.from([first, payload.length]), payload]);
  if (payload.length < 65_536) {
    const header = Buffer.from([first, 126, 0, 0]);
    header.writeUInt16BE(payload.length, 2);
    return Buffer.concat([header, payload]);
  }
  const header = Buffer.alloc(10);
  header[0] = first;
  header[1] = 127;
  header.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([header, payload]);
}

/** Takes a client's bytes apart into frames. */
export class ClientFrameParser {
  #bytes: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): ClientFrame[] {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const frames: ClientFrame[] = [];
    for (let frame = this.#take(); frame !== undefined; frame = this.#take()) frames.push(frame);
    return frames;
  }

  #take(): ClientFrame | undefined {
    const bytes = this.#bytes;
    if (bytes.length < 2) return undefined;
    const isMasked = (bytes.readUInt8(1) & 0x80) !== 0;
    const short = bytes.readUInt8(1) & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const maskAt = 2 + lengthBytes;
    const payloadAt = maskAt + (isMasked ? 4 : 0);
    if (bytes.length < payloadAt) return undefined;
    const length = lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (bytes.length < payloadAt + length) return undefined;
    const payload = Buffer.from(bytes.subarray(payloadAt, payloadAt + length));
    if (isMasked) for (let index = 0; index < length; index += 1) payload[index] = payload.readUInt8(index) ^ bytes.readUInt8(maskAt + (index % 4));
    this.#bytes = bytes.subarray(payloadAt + length);
    const first = bytes.readUInt8(0);
    return { isFinal: (first & 0x80) !== 0, opcode: first & 0x0f, isMasked, payload };
  }
}
