/** Types of control frames (SPDY/3.1, 2.6). Of the others an exec's client needs nothing. */
export const controlTypes = { synStream: 1, rstStream: 3, ping: 6 } as const;

/** A data frame's head, and the beginning of a control frame. */
export const headBytes = 8;

const version = 3;
const maxFrameLength = 0xff_ff_ff;

/** Opens a stream with one header, its type. `isFirst`: no other was opened on this connection. */
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
 * Makes the payload that begins at `payloadAt` in `bytes` a data frame: writes its head right before it.
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
 * A header as part of a connection's one zlib stream: as it is, in a stored block. Such a stream needs neither the dictionary that SPDY has for it nor a state between frames.
 */
function headerBlock(name: string, value: string, isFirst: boolean): Buffer {
  const texts = [name, value].flatMap((text) => [uint32(Buffer.byteLength(text)), Buffer.from(text)]);
  const block = Buffer.concat([uint32(1), ...texts]);
  // RFC 1951, 3.2.4: not the last block, stored, its length and that inverted. What ends it flushes: an empty stored block.
  const stored = Buffer.alloc(5);
  stored.writeUInt16LE(block.byteLength, 1);
  stored.writeUInt16LE(0xffff - block.byteLength, 3);
  const flush = Buffer.from([0, 0, 0, 0xff, 0xff]);
  // RFC 1950, 2.2: deflate, the fastest.
  return Buffer.concat([isFirst ? Buffer.from([0x78, 0x01]) : Buffer.alloc(0), stored, block, flush]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
