/**
 * The frames of docs/agent-protocol.md, implemented independently of the library's codec, so that
 * the agent's tests do not share its mistakes.
 */
import { createHash } from 'node:crypto';
import { zstdDecompressSync } from 'node:zlib';

export const frameType = {
  hello: 1,
  open: 2,
  opened: 3,
  data: 4,
  window: 5,
  end: 6,
  progress: 7,
  result: 8,
  error: 9,
  signal: 10,
  resize: 11,
  stop: 12,
  cancel: 13,
  ping: 14,
  pong: 15,
  done: 16,
  bye: 17,
} as const;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly payload: Buffer;
}

export function encodeFrame(type: number, payload: Uint8Array = Buffer.alloc(0), flags = 0): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(type, 0);
  header.writeUInt8(flags, 1);
  header.writeUInt32LE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

export function encodeJson(type: number, value: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(value));
  const pieces: Buffer[] = [];
  for (let at = 0; at === 0 || at < text.length; at += 262_176) {
    const piece = text.subarray(at, at + 262_176);
    pieces.push(encodeFrame(type, piece, at + piece.length < text.length ? 1 : 0));
  }
  return Buffer.concat(pieces);
}

export function encodeData(stream: number, offset: number, raw: Uint8Array, zstd?: Uint8Array): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt8(stream, 0);
  head.writeUInt32LE(raw.length, 4);
  head.writeBigUInt64LE(BigInt(offset), 8);
  return encodeFrame(frameType.data, Buffer.concat([head, zstd ?? raw]), zstd === undefined ? 0 : 2);
}

export function encodeWindow(stream: number, acknowledged: number, limit: number, durable = false): Buffer {
  const payload = Buffer.alloc(24);
  payload.writeUInt8(stream, 0);
  payload.writeBigUInt64LE(BigInt(acknowledged), 8);
  payload.writeBigUInt64LE(BigInt(limit), 16);
  return encodeFrame(frameType.window, payload, durable ? 4 : 0);
}

/** @param proven - whether END carries the flag PROVEN */
export function encodeEnd(stream: number, total: number, digest: Uint8Array, proven = false): Buffer {
  const payload = Buffer.alloc(48);
  payload.writeUInt8(stream, 0);
  payload.writeBigUInt64LE(BigInt(total), 8);
  Buffer.from(digest).copy(payload, 16);
  return encodeFrame(frameType.end, payload, proven ? 8 : 0);
}

export function sha256(...bytes: Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const piece of bytes) hash.update(piece);
  return hash.digest();
}

/** Splits a stream of bytes into frames. */
export class FrameSplitter {
  #rest: Buffer = Buffer.alloc(0);

  push(bytes: Buffer): Frame[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const frames: Frame[] = [];
    let at = 0;
    while (this.#rest.length - at >= 8) {
      const length = this.#rest.readUInt32LE(at + 4);
      if (length > 262_176) throw new Error(`the agent sent a frame of ${length} bytes`);
      if (this.#rest.readUInt16LE(at + 2) !== 0) throw new Error('the agent sent reserved bytes that are not 0');
      if (this.#rest.length - at < 8 + length) break;
      frames.push({
        type: this.#rest.readUInt8(at),
        flags: this.#rest.readUInt8(at + 1),
        payload: this.#rest.subarray(at + 8, at + 8 + length),
      });
      at += 8 + length;
    }
    this.#rest = this.#rest.subarray(at);
    return frames;
  }
}

export interface DataFrame {
  readonly stream: number;
  readonly offset: number;
  readonly raw: Buffer;
  readonly compressed: boolean;
}

export function decodeData(frame: Frame): DataFrame {
  const rawLength = frame.payload.readUInt32LE(4);
  const compressed = (frame.flags & 2) !== 0;
  const bytes = frame.payload.subarray(16);
  const raw = compressed ? zstdDecompressSync(bytes) : bytes;
  if (raw.length !== rawLength || rawLength === 0 || rawLength > 262_144)
    throw new Error(`DATA of ${raw.length} bytes that declares ${rawLength}`);
  return { stream: frame.payload.readUInt8(0), offset: Number(frame.payload.readBigUInt64LE(8)), raw, compressed };
}

export function decodeWindow(frame: Frame): { stream: number; acknowledged: number; limit: number } {
  return {
    stream: frame.payload.readUInt8(0),
    acknowledged: Number(frame.payload.readBigUInt64LE(8)),
    limit: Number(frame.payload.readBigUInt64LE(16)),
  };
}

export function decodeEnd(frame: Frame): { stream: number; total: number; digest: Buffer } {
  return {
    stream: frame.payload.readUInt8(0),
    total: Number(frame.payload.readBigUInt64LE(8)),
    digest: frame.payload.subarray(16, 48),
  };
}
