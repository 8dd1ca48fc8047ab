/**
 * The frames of docs/agent-protocol.md, implemented independently of src/agent-client, so that
 * mistakes cannot cancel out.
 */
export const WIRE_TYPES = [
  '',
  'HELLO',
  'OPEN',
  'OPENED',
  'DATA',
  'WINDOW',
  'END',
  'PROGRESS',
  'RESULT',
  'ERROR',
  'SIGNAL',
  'RESIZE',
  'STOP',
  'CANCEL',
  'PING',
  'PONG',
  'DONE',
  'BYE',
] as const;

export type WireType = Exclude<(typeof WIRE_TYPES)[number], ''>;

export interface WireFrame {
  readonly type: WireType;
  readonly flags: number;
  readonly payload: Buffer;
}

export function wireFrame(type: WireType | number, payload: Uint8Array = Buffer.alloc(0), flags = 0): Buffer {
  const length = Buffer.from(Uint32Array.of(payload.byteLength).buffer);
  return Buffer.concat([
    Uint8Array.of(typeof type === 'number' ? type : WIRE_TYPES.indexOf(type), flags, 0, 0),
    length,
    payload,
  ]);
}

export function wireJson(type: WireType, value: unknown): Buffer {
  return wireFrame(type, Buffer.from(JSON.stringify(value)));
}

function u64(value: number): Buffer {
  return Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
}

export function wireData(
  stream: number,
  offset: number,
  bytes: Uint8Array,
  expanded?: { readonly rawLength: number },
): Buffer {
  const rawLength = Buffer.from(Uint32Array.of(expanded?.rawLength ?? bytes.byteLength).buffer);
  return wireFrame(
    'DATA',
    Buffer.concat([Uint8Array.of(stream, 0, 0, 0), rawLength, u64(offset), bytes]),
    expanded === undefined ? 0 : 2,
  );
}

export function wireWindow(stream: number, acknowledged: number, limit: number): Buffer {
  return wireFrame(
    'WINDOW',
    Buffer.concat([Uint8Array.of(stream, 0, 0, 0, 0, 0, 0, 0), u64(acknowledged), u64(limit)]),
  );
}

export function wireEnd(stream: number, total: number, digest: Uint8Array): Buffer {
  return wireFrame('END', Buffer.concat([Uint8Array.of(stream, 0, 0, 0, 0, 0, 0, 0), u64(total), digest]));
}

export interface ReadData {
  readonly stream: number;
  readonly rawLength: number;
  readonly offset: number;
  readonly bytes: Buffer;
  readonly zstd: boolean;
}

export function readData({ payload, flags }: WireFrame): ReadData {
  return {
    stream: payload[0] ?? -1,
    rawLength: payload.readUInt32LE(4),
    offset: Number(payload.readBigUInt64LE(8)),
    bytes: payload.subarray(16),
    zstd: (flags & 2) !== 0,
  };
}

export function readWindow({ payload, flags }: WireFrame): {
  stream: number;
  acknowledged: number;
  limit: number;
  durable: boolean;
} {
  return {
    stream: payload[0] ?? -1,
    acknowledged: Number(payload.readBigUInt64LE(8)),
    limit: Number(payload.readBigUInt64LE(16)),
    durable: (flags & 4) !== 0,
  };
}

export function readEnd({ payload }: WireFrame): { stream: number; total: number; digest: string } {
  return {
    stream: payload[0] ?? -1,
    total: Number(payload.readBigUInt64LE(8)),
    digest: payload.toString('hex', 16, 48),
  };
}

/** Splits bytes into frames. Does not join JSON texts that span frames. */
export class WireReader {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Uint8Array): WireFrame[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const frames: WireFrame[] = [];
    while (this.#rest.length >= 8) {
      const length = this.#rest.readUInt32LE(4);
      if (this.#rest.length < 8 + length) break;
      const type = WIRE_TYPES[this.#rest[0] ?? 0];
      if (type === undefined || type === '' || this.#rest.readUInt16LE(2) !== 0 || length > 262_176)
        throw new Error(`the host sent a bad header: ${this.#rest.toString('hex', 0, 8)}`);
      frames.push({ type, flags: this.#rest[1] ?? 0, payload: Buffer.from(this.#rest.subarray(8, 8 + length)) });
      this.#rest = this.#rest.subarray(8 + length);
    }
    return frames;
  }
}
