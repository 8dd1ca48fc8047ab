import { crc32, createInflateRaw } from 'node:zlib';

import { endsEarly, FrameDecoder, isZero } from './frame-decoder.ts';

const TRAILER_BYTES = 8;
const MAGIC = Buffer.from([0x1f, 0x8b]);
const DEFLATE = 8;
const FLAG = { HEADER_CRC: 2, EXTRA: 4, NAME: 8, COMMENT: 16, RESERVED: 0xe0 } as const;
/** A limit of this library: gzip does not limit names and comments. */
const MAX_HEADER_BYTES: number = 128 * 1024;

/**
 * Expands gzip data of any number of members. Like `gzip -d` it ignores the bytes after the last
 * member. Zeros are padding. Other bytes are ignored too, but then the data has not proven its own
 * end, because they may be a damaged member.
 */
export class GzipMembers extends FrameDecoder {
  #state: 'header' | 'data' | 'trailer' | 'rest' = 'header';
  /** The bytes of an incomplete header or trailer. */
  #pending: Buffer = Buffer.alloc(0);
  #members = 0;
  #hasGarbage = false;
  #crc = 0;
  #expandedBytes = 0;

  constructor(chunkSize: number) {
    super(chunkSize, () => createInflateRaw({ chunkSize }));
  }

  override get isProven(): boolean {
    return this.endError() === undefined && !this.#hasGarbage && this.#pending.length === 0;
  }

  protected override expanded(bytes: Buffer): void {
    this.#crc = crc32(bytes, this.#crc);
    this.#expandedBytes += bytes.length;
  }

  protected override async takeBytes(chunk: Buffer): Promise<void> {
    for (let rest = chunk; rest.length > 0; ) rest = await this.#takeSome(rest);
  }

  protected override endError(): Error | undefined {
    const isBetween = this.#state === 'header' && this.#members > 0 && this.#pending.length < MAGIC.length;
    return isBetween || this.#state === 'rest' ? undefined : endsEarly();
  }

  /** Takes the bytes of the current part. Resolves with the bytes that follow it. */
  async #takeSome(bytes: Buffer): Promise<Buffer> {
    switch (this.#state) {
      case 'header':
        return this.#header(bytes);
      case 'data': {
        const taken = await this.expand(bytes);
        if (taken < bytes.length) this.#state = 'trailer';
        return bytes.subarray(taken);
      }
      case 'trailer':
        return this.#trailer(bytes);
      case 'rest':
        this.#hasGarbage ||= !isZero(bytes);
        return Buffer.alloc(0);
    }
  }

  #header(bytes: Buffer): Buffer {
    const header = Buffer.concat([this.#pending, bytes]);
    const isMember = header.subarray(0, MAGIC.length).equals(MAGIC.subarray(0, header.length));
    if (!isMember && this.#members > 0) {
      this.#state = 'rest';
      this.#pending = Buffer.alloc(0);
      return header;
    }
    const length = headerLength(header);
    if (length === undefined) {
      if (header.length > MAX_HEADER_BYTES) throw new Error('header too long');
      this.#pending = header;
      return Buffer.alloc(0);
    }
    this.#pending = Buffer.alloc(0);
    this.#state = 'data';
    this.#crc = 0;
    this.#expandedBytes = 0;
    return header.subarray(length);
  }

  #trailer(bytes: Buffer): Buffer {
    const trailer = Buffer.concat([this.#pending, bytes.subarray(0, TRAILER_BYTES - this.#pending.length)]);
    const rest = bytes.subarray(trailer.length - this.#pending.length);
    this.#pending = trailer;
    if (trailer.length < TRAILER_BYTES) return rest;
    if (trailer.readUInt32LE(0) !== this.#crc) throw new Error('incorrect data check');
    if (trailer.readUInt32LE(4) !== this.#expandedBytes % 2 ** 32) throw new Error('incorrect length check');
    this.#pending = Buffer.alloc(0);
    this.#members += 1;
    this.#state = 'header';
    return rest;
  }
}

/**
 * Returns the length of the header at the beginning (RFC 1952, section 2.3), or `undefined` if it
 * is incomplete.
 */
function headerLength(bytes: Buffer): number | undefined {
  if (bytes.length >= 1 && !bytes.subarray(0, 2).equals(MAGIC.subarray(0, bytes.length)))
    throw new Error('incorrect header check');
  if (bytes.length < 10) return undefined;
  const flags = bytes.readUInt8(3);
  if (bytes.readUInt8(2) !== DEFLATE || (flags & FLAG.RESERVED) !== 0)
    throw new Error('unknown compression method or header flags');
  let at = 10;
  if ((flags & FLAG.EXTRA) !== 0) {
    if (bytes.length < at + 2) return undefined;
    at += 2 + bytes.readUInt16LE(at);
  }
  for (const text of [FLAG.NAME, FLAG.COMMENT]) {
    if ((flags & text) === 0) continue;
    const end = bytes.indexOf(0, at);
    if (end < 0) return undefined;
    at = end + 1;
  }
  if ((flags & FLAG.HEADER_CRC) !== 0) at += 2;
  return bytes.length < at ? undefined : at;
}
