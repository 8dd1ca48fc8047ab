import { createCipheriv, createHash } from 'node:crypto';

import { seededRandom } from '../seeded-random.ts';

/** Returns this many bytes that do not compress, the same for the same seed. */
export function seededBytes(length: number, seed = 1): Buffer {
  const key = createHash('sha256').update(String(seed)).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** Yields the bytes in chunks of random sizes, of at most 256 KiB by default. */
export async function* inChunks(bytes: Buffer, seed = 1, maxBytes = 262_144): AsyncGenerator<Uint8Array> {
  const random = seededRandom(seed);
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + Math.floor(random() * maxBytes);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Reads a stream to its end. */
export async function contentOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Returns everything that an iterable yields. */
export async function allOf<T>(iterable: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const one of iterable) all.push(one);
  return all;
}
