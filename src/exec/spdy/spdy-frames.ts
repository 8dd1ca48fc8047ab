/** Types of control frames (SPDY/3.1, 2.6) that the client of an exec needs. */
export const controlTypes = { synStream: 1, rstStream: 3, ping: 6 } as const;

/** The size of the head of a data frame, and of the first part of a control frame. */
export const headBytes = 8;

const version = 3;
const maxFrameLength = 0xff_ff_ff;

/**
 * Returns the frame that opens a stream with one header, its type. `isFirst` is true for the
 * connection's first stream.
 */
export function streamFrame(stream: number, type: string, isFirst: boolean): Buffer {
  return controlFrame(
    controlTypes.synStream,
    Buffer.concat([uint32(stream), Buffer.alloc(6), headerBlock('streamtype', type, isFirst)]),
  );
}

export function pingFrame(id: number): Buffer {
  return controlFrame(controlTypes.ping, uint32(id));
}

/**
 * Turns the payload that begins at `payloadAt` in `bytes` into a data frame: writes the head
 * directly before it.
 *
 * @returns the frame, a view of `bytes`
 */
export function dataFrameInPlace(bytes: Buffer, payloadAt: number, stream: number): Buffer {
  const length = bytes.byteLength - payloadAt;
  if (length > maxFrameLength) throw new RangeError(`a frame of ${length} bytes`);
  const frame = bytes.subarray(payloadAt - headBytes);
  frame.writeUInt32BE(stream, 0);
  // No flags.
  frame.writeUInt32BE(length, 4);
  return frame;
}

function controlFrame(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt16BE(0x8000 | version, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt32BE(payload.byteLength, 4);
  return Buffer.concat([head, payload]);
}

/**
 * Returns a header as part of the connection's one zlib stream, uncompressed in a stored block.
 * This needs neither SPDY's dictionary nor a state between frames.
 */
function headerBlock(name: string, value: string, isFirst: boolean): Buffer {
  const texts = [name, value].flatMap((text) => [uint32(Buffer.byteLength(text)), Buffer.from(text)]);
  const block = Buffer.concat([uint32(1), ...texts]);
  // RFC 1951, 3.2.4: not the last block, stored, the length and its complement. An empty stored
  // block behind it flushes the stream.
  const stored = Buffer.alloc(5);
  stored.writeUInt16LE(block.byteLength, 1);
  stored.writeUInt16LE(0xffff - block.byteLength, 3);
  const flush = Buffer.from([0, 0, 0, 0xff, 0xff]);
  // RFC 1950, 2.2: deflate, the fastest level.
  return Buffer.concat([isFirst ? Buffer.from([0x78, 0x01]) : Buffer.alloc(0), stored, block, flush]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
