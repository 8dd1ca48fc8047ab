import { constants, inflateSync } from 'node:zlib';

/** A frame of a client. */
export type SpdyFrame =
  | { readonly kind: 'stream'; readonly stream: number; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'data'; readonly stream: number; readonly isLast: boolean; readonly payload: Buffer }
  | { readonly kind: 'ping'; readonly id: number }
  | { readonly kind: 'other'; readonly type: number };

/**
 * Encodes a data frame of a server. Independent of the client's implementation, so that mistakes in
 * framing cannot cancel out.
 */
export function spdyData(stream: number, payload: Buffer, isLast = false): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(stream, 0);
  head.writeUInt32BE(((isLast ? 1 : 0) << 24) | payload.length, 4);
  return Buffer.concat([head, payload]);
}

export function spdyControl(type: number, payload: Buffer): Buffer {
  const head = Buffer.from([0x80, 3, 0, type, 0, 0, 0, 0]);
  head.writeUInt32BE(payload.length, 4);
  return Buffer.concat([head, payload]);
}

export function spdyPing(id: number): Buffer {
  return spdyControl(6, uint32(id));
}

export function spdyReset(stream: number, status: number): Buffer {
  return spdyControl(3, Buffer.concat([uint32(stream), uint32(status)]));
}

/** Encodes Go's answer to a stream: a header block without headers, as a zlib stream. */
export function spdyReply(stream: number): Buffer {
  return spdyControl(2, Buffer.concat([uint32(stream), Buffer.from('789c010400fbff000000000000ffff', 'hex')]));
}

/** Returns the HTTP answer that switches a request to SPDY. */
export function spdyAnswer(streamProtocol = 'v4.channel.k8s.io', extra: readonly string[] = []): string {
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: SPDY/3.1',
    'Connection: Upgrade',
    `X-Stream-Protocol-Version: ${streamProtocol}`,
    ...extra,
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/**
 * Splits a client's bytes into frames. The header blocks of a connection are one zlib stream, which
 * it inflates.
 */
export class SpdyClientParser {
  #bytes: Buffer = Buffer.alloc(0);
  #compressed: Buffer = Buffer.alloc(0);
  #inflated = 0;

  push(chunk: Buffer): SpdyFrame[] {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const frames: SpdyFrame[] = [];
    for (;;) {
      if (this.#bytes.length < 8) return frames;
      const end = 8 + this.#bytes.readUIntBE(5, 3);
      if (this.#bytes.length < end) return frames;
      frames.push(this.#frame(this.#bytes.subarray(0, 8), Buffer.from(this.#bytes.subarray(8, end))));
      this.#bytes = this.#bytes.subarray(end);
    }
  }

  #frame(head: Buffer, payload: Buffer): SpdyFrame {
    if ((head[0]! & 0x80) === 0)
      return { kind: 'data', stream: head.readUInt32BE(0), isLast: (head[4]! & 1) !== 0, payload };
    if (head.readUInt16BE(0) !== 0x8003) throw new Error('not version 3');
    const type = head.readUInt16BE(2);
    if (type === 6) return { kind: 'ping', id: payload.readUInt32BE(0) };
    if (type === 1)
      return { kind: 'stream', stream: payload.readUInt32BE(0), headers: this.#headers(payload.subarray(10)) };
    return { kind: 'other', type };
  }

  #headers(compressed: Buffer): Record<string, string> {
    this.#compressed = Buffer.concat([this.#compressed, compressed]);
    const all = inflateSync(this.#compressed, { finishFlush: constants.Z_SYNC_FLUSH });
    const block = all.subarray(this.#inflated);
    this.#inflated = all.length;
    const headers: Record<string, string> = {};
    let at = 4;
    const text = (): string => {
      const length = block.readUInt32BE(at);
      at += 4 + length;
      return block.toString('utf8', at - length, at);
    };
    for (let left = block.readUInt32BE(0); left > 0; left -= 1) {
      const name = text();
      headers[name] = text();
    }
    return headers;
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
