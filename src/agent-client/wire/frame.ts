import { ProtocolViolationError } from '../../errors/connection.ts';

/** The numbers of docs/agent-protocol.md, section 1. */
export const FrameType = {
  HELLO: 1,
  OPEN: 2,
  OPENED: 3,
  DATA: 4,
  WINDOW: 5,
  END: 6,
  PROGRESS: 7,
  RESULT: 8,
  ERROR: 9,
  SIGNAL: 10,
  RESIZE: 11,
  STOP: 12,
  CANCEL: 13,
  PING: 14,
  PONG: 15,
  DONE: 16,
  BYE: 17,
} as const;

export type FrameType = (typeof FrameType)[keyof typeof FrameType];

export const FrameFlag = { MORE: 1, ZSTD: 2, DURABLE: 4, PROVEN: 8 } as const;

export const FRAME_HEADER_BYTES = 8;
export const DATA_HEADER_BYTES = 16;
/** The maximum number of raw bytes of one DATA frame. */
export const MAX_DATA_BYTES: number = 256 * 1024;
export const MAX_PAYLOAD_BYTES: number = MAX_DATA_BYTES + 32;
export const MAX_CONTROL_BYTES: number = 4 * 1024 * 1024;
export const DIGEST_BYTES = 32;

/** 0: host to agent; 1 and 2: agent to host. */
export type StreamId = 0 | 1 | 2;

/** The types with a JSON payload. */
export type ControlType =
  | typeof FrameType.HELLO
  | typeof FrameType.OPEN
  | typeof FrameType.OPENED
  | typeof FrameType.PROGRESS
  | typeof FrameType.RESULT
  | typeof FrameType.ERROR
  | typeof FrameType.SIGNAL
  | typeof FrameType.RESIZE
  | typeof FrameType.STOP;

/** The types without a payload. */
export type BareType = typeof FrameType.CANCEL | typeof FrameType.DONE | typeof FrameType.BYE;

export interface ControlFrame {
  readonly type: ControlType;
  /** The whole text, which may span several frames. Valid only while the frame is handled. */
  readonly text: Buffer;
}

/**
 * Bytes of a stream. A raw frame that arrives in parts is emitted in parts, each as a frame. Raw bytes
 * are valid only while the frame is handled; those of zstd are the handler's.
 */
export interface DataFrame {
  readonly type: typeof FrameType.DATA;
  readonly stream: StreamId;
  /** The offset of the first raw byte. */
  readonly offset: number;
  /** The number of raw bytes: of `bytes`, or of their expansion. */
  readonly rawLength: number;
  readonly encoding: 'raw' | 'zstd';
  readonly bytes: Uint8Array;
  /** Whether more parts of the same raw frame follow. */
  readonly isPart?: boolean | undefined;
}

export interface WindowFrame {
  readonly type: typeof FrameType.WINDOW;
  readonly stream: StreamId;
  readonly acknowledged: number;
  readonly limit: number;
  readonly durable: boolean;
}

export interface EndFrame {
  readonly type: typeof FrameType.END;
  readonly stream: StreamId;
  readonly total: number;
  /** The SHA-256 of the stream. */
  readonly digest: Buffer;
  /** Whether the source's encoding has proven that no bytes are missing. */
  readonly isProven?: boolean | undefined;
}

export interface PingFrame {
  readonly type: typeof FrameType.PING | typeof FrameType.PONG;
  /** 8 bytes, valid only while the frame is handled. */
  readonly opaque: Buffer;
}

export interface BareFrame {
  readonly type: BareType;
}

export type Frame = ControlFrame | DataFrame | WindowFrame | EndFrame | PingFrame | BareFrame;

/** Encodes a frame for the connection. */
export function encodeFrame(frame: Exclude<Frame, DataFrame>): Uint8Array[] {
  switch (frame.type) {
    case FrameType.WINDOW:
      return [encodeWindow(frame)];
    case FrameType.END:
      return [encodeEnd(frame)];
    case FrameType.PING:
    case FrameType.PONG:
      return [withHeader(frame.type, 0, frame.opaque)];
    case FrameType.CANCEL:
    case FrameType.DONE:
    case FrameType.BYE:
      return [withHeader(frame.type, 0, Buffer.alloc(0))];
    default:
      return encodeControlFrame(frame);
  }
}

/**
 * Encodes DATA without copying its pieces: raw bytes, or one zstd frame of `rawLength` raw bytes.
 */
export function encodeDataFrame(frame: Omit<DataFrame, 'type' | 'bytes'>, pieces: readonly Uint8Array[]): Uint8Array[] {
  const payloadBytes = pieces.reduce((sum, piece) => sum + piece.byteLength, DATA_HEADER_BYTES);
  const head = Buffer.alloc(FRAME_HEADER_BYTES + DATA_HEADER_BYTES);
  writeHeader(head, { type: FrameType.DATA, flags: frame.encoding === 'zstd' ? FrameFlag.ZSTD : 0, payloadBytes });
  head.writeUInt8(frame.stream, 8);
  head.writeUInt32LE(frame.rawLength, 12);
  head.writeBigUInt64LE(BigInt(frame.offset), 16);
  return [head, ...pieces];
}

function encodeControlFrame({ type, text }: ControlFrame): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let start = 0; start === 0 || start < text.length; start += MAX_DATA_BYTES) {
    const part = text.subarray(start, start + MAX_DATA_BYTES);
    frames.push(withHeader(type, start + part.length < text.length ? FrameFlag.MORE : 0, part));
  }
  return frames;
}

function encodeWindow({ stream, acknowledged, limit, durable }: WindowFrame): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + 24);
  writeHeader(frame, { type: FrameType.WINDOW, flags: durable ? FrameFlag.DURABLE : 0, payloadBytes: 24 });
  frame.writeUInt8(stream, 8);
  frame.writeBigUInt64LE(BigInt(acknowledged), 16);
  frame.writeBigUInt64LE(BigInt(limit), 24);
  return frame;
}

function encodeEnd({ stream, total, digest, isProven = false }: EndFrame): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + 16 + DIGEST_BYTES);
  writeHeader(frame, { type: FrameType.END, flags: isProven ? FrameFlag.PROVEN : 0, payloadBytes: 16 + DIGEST_BYTES });
  frame.writeUInt8(stream, 8);
  frame.writeBigUInt64LE(BigInt(total), 16);
  digest.copy(frame, 24);
  return frame;
}

function withHeader(type: FrameType, flags: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.byteLength);
  writeHeader(frame, { type, flags, payloadBytes: payload.byteLength });
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

function writeHeader(
  frame: Buffer,
  { type, flags, payloadBytes }: { type: FrameType; flags: number; payloadBytes: number },
): void {
  if (payloadBytes > MAX_PAYLOAD_BYTES)
    throw new ProtocolViolationError(`a frame of ${payloadBytes} bytes cannot be sent`);
  frame.writeUInt8(type, 0);
  frame.writeUInt8(flags, 1);
  frame.writeUInt16LE(0, 2);
  frame.writeUInt32LE(payloadBytes, 4);
}
