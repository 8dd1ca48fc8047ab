import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Opcodes of WebSocket frames. */
export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A frame of a client. */
export interface ClientFrame {
  readonly isFinal: boolean;
  readonly opcode: number;
  readonly isMasked: boolean;
  readonly payload: Buffer;
}

/** Encodes a server's frame. Independent of `ws`, so that mistakes in framing cannot cancel out. */
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

/** Encodes a close frame of a server. */
export function closeFrame(code: number, reason = ''): Buffer {
  const payload = Buffer.concat([Buffer.alloc(2), Buffer.from(reason)]);
  payload.writeUInt16BE(code, 0);
  return serverFrame(opcodes.close, payload);
}

/**
 * Returns the HTTP answer that switches a request to WebSocket, with a sub-protocol if it is given.
 */
export function upgradeAnswer(
  request: IncomingMessage,
  subprotocol: string | undefined,
  extra: readonly string[] = [],
): string {
  const key = `${request.headers['sec-websocket-key'] ?? ''}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash('sha1').update(key).digest('base64');
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    ...extra,
  ];
  if (subprotocol !== undefined && subprotocol !== '') lines.push(`Sec-WebSocket-Protocol: ${subprotocol}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Returns a plain HTTP answer. */
export function httpAnswer(status: number, body: string, headers: Readonly<Record<string, string>> = {}): string {
  const lines = [
    `HTTP/1.1 ${String(status)} No`,
    `Content-Length: ${String(Buffer.byteLength(body))}`,
    'Connection: close',
  ];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** Returns the sub-protocols that a client offers. */
export function offeredBy(request: IncomingMessage): readonly string[] {
  return (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
}

/** The payload of a frame exceeds the server's limit. */
class FrameTooLargeError extends Error {}

/** Splits a client's bytes into frames. Copies each byte once or twice, for any chunks. */
export class ClientFrameParser {
  readonly #maxPayloadBytes: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #neededBytes = 2;

  constructor(maxPayloadBytes = Number.POSITIVE_INFINITY) {
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  /** @throws FrameTooLargeError - as soon as the header was received */
  push(chunk: Buffer): ClientFrame[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const frames: ClientFrame[] = [];
    while (this.#bytes >= this.#neededBytes) {
      const [first] = this.#chunks;
      const bytes = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
      const frame = this.#take(bytes);
      if (frame !== undefined) frames.push(frame);
      else this.#chunks = [bytes];
    }
    return frames;
  }

  #take(bytes: Buffer): ClientFrame | undefined {
    const isMasked = (bytes.readUInt8(1) & 0x80) !== 0;
    const short = bytes.readUInt8(1) & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const maskAt = 2 + lengthBytes;
    const payloadAt = maskAt + (isMasked ? 4 : 0);
    this.#neededBytes = payloadAt;
    if (bytes.length < payloadAt) return undefined;
    const length =
      lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (length > this.#maxPayloadBytes) throw new FrameTooLargeError(`a frame of ${length} bytes`);
    this.#neededBytes = payloadAt + length;
    if (bytes.length < payloadAt + length) return undefined;
    const payload = Buffer.from(bytes.subarray(payloadAt, payloadAt + length));
    if (isMasked) unmask(payload, bytes.subarray(maskAt, payloadAt));
    this.#chunks = [bytes.subarray(payloadAt + length)];
    this.#bytes = bytes.length - payloadAt - length;
    this.#neededBytes = 2;
    const first = bytes.readUInt8(0);
    return { isFinal: (first & 0x80) !== 0, opcode: first & 0x0f, isMasked, payload };
  }
}

function unmask(payload: Buffer, mask: Buffer): void {
  if (mask.readUInt32LE(0) === 0) return;
  for (let index = 0; index < payload.length; index += 1) payload[index]! ^= mask[index & 3]!;
}
