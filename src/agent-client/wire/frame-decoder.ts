import { ProtocolViolationError } from '../../errors/connection.ts';
import { freeableBytes } from '../../internal/free-bytes.ts';
import {
  type BareType,
  type ControlType,
  DATA_HEADER_BYTES,
  type DataFrame,
  DIGEST_BYTES,
  FRAME_HEADER_BYTES,
  type Frame,
  FrameFlag,
  FrameType,
  MAX_CONTROL_BYTES,
  MAX_DATA_BYTES,
  MAX_PAYLOAD_BYTES,
  type StreamId,
} from './frame.ts';

const ANY_LENGTH = -1;

/** The permitted flags and the payload length of each type. */
const SHAPES: ReadonlyMap<number, { readonly flags: number; readonly payloadBytes: number }> = new Map([
  ...[
    FrameType.HELLO,
    FrameType.OPEN,
    FrameType.OPENED,
    FrameType.PROGRESS,
    FrameType.RESULT,
    FrameType.ERROR,
    FrameType.SIGNAL,
    FrameType.RESIZE,
    FrameType.STOP,
  ].map((type) => [type, { flags: FrameFlag.MORE, payloadBytes: ANY_LENGTH }] as const),
  [FrameType.DATA, { flags: FrameFlag.ZSTD, payloadBytes: ANY_LENGTH }],
  [FrameType.WINDOW, { flags: FrameFlag.DURABLE, payloadBytes: 24 }],
  [FrameType.END, { flags: 0, payloadBytes: 16 + DIGEST_BYTES }],
  [FrameType.PING, { flags: 0, payloadBytes: 8 }],
  [FrameType.PONG, { flags: 0, payloadBytes: 8 }],
  [FrameType.CANCEL, { flags: 0, payloadBytes: 0 }],
  [FrameType.DONE, { flags: 0, payloadBytes: 0 }],
  [FrameType.BYE, { flags: 0, payloadBytes: 0 }],
]);

interface Header {
  readonly type: FrameType;
  readonly flags: number;
  readonly payloadBytes: number;
}

type DataHeader = Omit<DataFrame, 'type' | 'bytes'>;

/**
 * Decodes frames from chunks of any size, which are not used after `push`. Parts that lie whole in a
 * chunk are not copied, except for the bytes of zstd, nor are the bytes of raw DATA, which are emitted
 * as they arrive. A decoder holds at most one frame and one JSON text. It must not be used after it has
 * thrown.
 */
export class FrameDecoder {
  readonly #emit: (frame: Frame) => void;
  /** The first `#have` bytes of a header, a DATA header or a payload, which has `#need` bytes. */
  #part: Buffer | undefined;
  #have = 0;
  #need = FRAME_HEADER_BYTES;
  /** Whether they are copied in any case, into memory of their own. */
  #isOwned = false;
  #complete: (bytes: Buffer) => void = this.#onHeader.bind(this);
  /** The rest of a raw DATA frame. */
  #raw: { readonly stream: StreamId; offset: number; left: number } | undefined;
  #text: { readonly type: ControlType; readonly parts: Buffer[]; bytes: number } | undefined;

  constructor(emit: (frame: Frame) => void) {
    this.#emit = emit;
  }

  /** @throws ProtocolViolationError, and the errors of `emit` */
  push(chunk: Uint8Array): void {
    let rest = chunk;
    while (rest.byteLength > 0) rest = this.#raw === undefined ? this.#collect(rest) : this.#passRaw(this.#raw, rest);
  }

  #collect(chunk: Uint8Array): Uint8Array {
    const piece = chunk.subarray(0, this.#need - this.#have);
    if (piece.byteLength < this.#need || this.#isOwned) this.#gather(piece);
    else this.#complete(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
    return chunk.subarray(piece.byteLength);
  }

  #gather(piece: Uint8Array): void {
    this.#part ??= freeableBytes(this.#need);
    this.#part.set(piece, this.#have);
    this.#have += piece.byteLength;
    if (this.#have < this.#need) return;
    const bytes = this.#part;
    this.#part = undefined;
    this.#have = 0;
    this.#complete(bytes);
  }

  #passRaw(raw: { readonly stream: StreamId; offset: number; left: number }, chunk: Uint8Array): Uint8Array {
    const bytes = chunk.subarray(0, raw.left);
    const { stream, offset } = raw;
    raw.offset += bytes.byteLength;
    raw.left -= bytes.byteLength;
    if (raw.left === 0) this.#raw = undefined;
    this.#emit({
      type: FrameType.DATA,
      stream,
      offset,
      rawLength: bytes.byteLength,
      encoding: 'raw',
      bytes,
      isPart: raw.left > 0,
    });
    return chunk.subarray(bytes.byteLength);
  }

  #expect(need: number, complete: (bytes: Buffer) => void, isOwned = false): void {
    this.#need = need;
    this.#complete = complete;
    this.#isOwned = isOwned;
    if (need === 0) complete(Buffer.alloc(0));
  }

  #expectHeader(): void {
    this.#expect(FRAME_HEADER_BYTES, (bytes) => {
      this.#onHeader(bytes);
    });
  }

  #onHeader(bytes: Buffer): void {
    const header = checkedHeader(bytes);
    if (header.type === FrameType.DATA) {
      this.#assertNotWithinText(header);
      this.#expect(DATA_HEADER_BYTES, (head) => {
        this.#onDataHead(header, checkedDataHead(header, head));
      });
      return;
    }
    this.#expect(header.payloadBytes, (payload) => {
      this.#expectHeader();
      this.#onPayload(header, payload);
    });
  }

  #onDataHead(header: Header, data: DataHeader): void {
    if (data.encoding === 'raw') {
      this.#raw = { stream: data.stream, offset: data.offset, left: data.rawLength };
      this.#expectHeader();
      return;
    }
    const complete = (bytes: Buffer): void => {
      this.#expectHeader();
      this.#emit({ type: FrameType.DATA, ...data, bytes });
    };
    this.#expect(header.payloadBytes - DATA_HEADER_BYTES, complete, true);
  }

  #onPayload(header: Header, payload: Buffer): void {
    switch (header.type) {
      case FrameType.PING:
      case FrameType.PONG:
        this.#emit({ type: header.type, opaque: payload });
        return;
      case FrameType.WINDOW:
        this.#assertNotWithinText(header);
        this.#emit({ type: header.type, ...checkedWindow(payload), durable: (header.flags & FrameFlag.DURABLE) !== 0 });
        return;
      case FrameType.END:
        this.#assertNotWithinText(header);
        this.#emit({
          type: header.type,
          stream: checkedStream(payload, 8),
          total: checkedOffset(payload, 8),
          digest: Buffer.from(payload.subarray(16)),
        });
        return;
      case FrameType.CANCEL:
      case FrameType.DONE:
      case FrameType.BYE:
        this.#assertNotWithinText(header);
        this.#emit({ type: header.type satisfies BareType });
        return;
      case FrameType.DATA:
        return;
      default:
        this.#onText(header.type, header.flags, payload);
    }
  }

  #onText(type: ControlType, flags: number, payload: Buffer): void {
    if (this.#text === undefined && (flags & FrameFlag.MORE) === 0) {
      this.#emit({ type, text: payload });
      return;
    }
    const text = (this.#text ??= { type, parts: [], bytes: 0 });
    if (text.type !== type)
      throw new ProtocolViolationError(`a frame of type ${type} within a text of type ${text.type}`);
    text.bytes += payload.byteLength;
    if (text.bytes > MAX_CONTROL_BYTES)
      throw new ProtocolViolationError(`a text of more than ${MAX_CONTROL_BYTES} bytes`);
    text.parts.push(Buffer.from(payload));
    if ((flags & FrameFlag.MORE) !== 0) return;
    this.#text = undefined;
    this.#emit({ type, text: Buffer.concat(text.parts, text.bytes) });
  }

  #assertNotWithinText({ type }: Header): void {
    if (this.#text !== undefined)
      throw new ProtocolViolationError(`a frame of type ${type} within a text of type ${this.#text.type}`);
  }
}

function checkedHeader(bytes: Buffer): Header {
  const type = bytes.readUInt8(0);
  const flags = bytes.readUInt8(1);
  const payloadBytes = bytes.readUInt32LE(4);
  const shape = SHAPES.get(type);
  if (shape === undefined) throw new ProtocolViolationError(`a frame of unknown type ${type}`);
  if ((flags & ~shape.flags) !== 0) throw new ProtocolViolationError(`a frame of type ${type} with flags ${flags}`);
  if (bytes.readUInt16LE(2) !== 0)
    throw new ProtocolViolationError(`a frame of type ${type} with reserved bytes that are not 0`);
  if (payloadBytes > MAX_PAYLOAD_BYTES)
    throw new ProtocolViolationError(`a frame of type ${type} with ${payloadBytes} bytes`);
  if (shape.payloadBytes !== ANY_LENGTH && payloadBytes !== shape.payloadBytes)
    throw new ProtocolViolationError(`a frame of type ${type} with ${payloadBytes} bytes, not ${shape.payloadBytes}`);
  if (type === FrameType.DATA && payloadBytes <= DATA_HEADER_BYTES)
    throw new ProtocolViolationError('DATA without bytes');
  return { type: type as FrameType, flags, payloadBytes };
}

function checkedDataHead({ flags, payloadBytes }: Header, head: Buffer): DataHeader {
  const rawLength = head.readUInt32LE(4);
  const encoding = (flags & FrameFlag.ZSTD) === 0 ? 'raw' : 'zstd';
  if (rawLength < 1 || rawLength > MAX_DATA_BYTES) throw new ProtocolViolationError(`DATA of ${rawLength} raw bytes`);
  if (encoding === 'raw' && rawLength !== payloadBytes - DATA_HEADER_BYTES)
    throw new ProtocolViolationError(`raw DATA of ${rawLength} bytes in a payload of ${payloadBytes}`);
  return { stream: checkedStream(head, 4), offset: checkedOffset(head, 8), rawLength, encoding };
}

function checkedWindow(payload: Buffer): { stream: StreamId; acknowledged: number; limit: number } {
  return {
    stream: checkedStream(payload, 8),
    acknowledged: checkedOffset(payload, 8),
    limit: checkedOffset(payload, 16),
  };
}

/** Returns the stream in the first of `bytes` bytes. The other bytes must be 0. */
function checkedStream(payload: Buffer, bytes: number): StreamId {
  const stream = payload.readUInt8(0);
  if (stream !== 0 && stream !== 1 && stream !== 2) throw new ProtocolViolationError(`unknown stream ${stream}`);
  if (payload.subarray(1, bytes).some((byte) => byte !== 0))
    throw new ProtocolViolationError(`reserved bytes of stream ${stream} are not 0`);
  return stream;
}

function checkedOffset(payload: Buffer, at: number): number {
  const offset = Number(payload.readBigUInt64LE(at));
  if (!Number.isSafeInteger(offset)) throw new ProtocolViolationError(`an offset of ${offset}`);
  return offset;
}
