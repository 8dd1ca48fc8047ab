/** The size of the longest header of a frame. */
const maxHeaderBytes = 14;

/** Writes the four bytes of a frame's mask. */
export type MaskMaker = (mask: Buffer) => void;

/** Returns the size of the header, mask included, for a payload of this size. */
function headerBytesOf(payloadBytes: number): number {
  return payloadBytes < 126 ? 6 : payloadBytes < 65_536 ? 8 : maxHeaderBytes;
}

/**
 * Turns the payload that begins at `payloadAt` in `bytes` into a frame: writes the header directly
 * before it, and masks it. Each message is one frame, because Kubernetes' servers take a frame for
 * a message, whether it is final or not.
 *
 * @returns the frame, a view of `bytes`
 */
export function frameInPlace(
  bytes: Buffer,
  payloadAt: number,
  { opcode, mask }: { readonly opcode: number; readonly mask: MaskMaker },
): Buffer {
  const payload = bytes.subarray(payloadAt);
  const frame = bytes.subarray(payloadAt - headerBytesOf(payload.byteLength));
  frame[0] = 0x80 | opcode;
  writeLength(frame, payload.byteLength);
  const maskBytes = bytes.subarray(payloadAt - 4, payloadAt);
  mask(maskBytes);
  applyMask(payload, maskBytes);
  return frame;
}

/** Returns a frame in its own memory, for small payloads. */
export function encodeFrame(payload: Uint8Array, how: { readonly opcode: number; readonly mask: MaskMaker }): Buffer {
  const bytes = Buffer.allocUnsafe(maxHeaderBytes + payload.byteLength);
  bytes.set(payload, maxHeaderBytes);
  return frameInPlace(bytes, maxHeaderBytes, how);
}

function writeLength(frame: Buffer, length: number): void {
  if (length < 126) frame[1] = 0x80 | length;
  else if (length < 65_536) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeUInt32BE(0, 2);
    frame.writeUInt32BE(length, 6);
  }
}

function applyMask(payload: Buffer, mask: Buffer): void {
  const [a = 0, b = 0, c = 0, d = 0] = mask;
  if ((a | b | c | d) === 0) return;
  const bytes = [a, b, c, d];
  for (let index = 0; index < payload.byteLength; index += 1)
    payload[index] = (payload[index] ?? 0) ^ (bytes[index & 3] ?? 0);
}
