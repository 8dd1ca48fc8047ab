/** Smaller bytes share a buffer of Node with others: memory of their own costs more than them. */
const smallBytes = 4096;

/** Returns uninitialised memory. It can be freed, unless it is small. */
export function freeableBytes(length: number): Buffer {
  return length < smallBytes ? Buffer.allocUnsafe(length) : Buffer.allocUnsafeSlow(length);
}

/**
 * Frees the memory of bytes that are not used any more, if no other bytes are in their buffer. The
 * collector does not know the size of what it would free, and lets such memory grow to 64 MiB.
 */
export function freeBytes(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && bytes.byteLength === buffer.byteLength) buffer.transfer(0);
}
