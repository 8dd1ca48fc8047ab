import { constants, zstdCompressSync } from 'node:zlib';

import { ArchiveReader } from '../../../../src/archives/format/archive-reader.ts';
import { ArchiveWriter } from '../../../../src/archives/format/archive-writer.ts';
import type { ArchiveFrame } from '../../../../src/stores/frame-store.ts';

export function rawFrame(bytes: Uint8Array): ArchiveFrame {
  return { encoding: 'raw', rawLength: bytes.byteLength, bytes };
}

/** Returns a frame as the agent makes it: one zstd frame with its content size. */
export function zstdFrame(raw: Uint8Array, level = 1): ArchiveFrame {
  const bytes = zstdCompressSync(raw, { params: { [constants.ZSTD_c_compressionLevel]: level } });
  return { encoding: 'zstd', rawLength: raw.byteLength, bytes };
}

/** Returns the stored bytes of an archive with these frames. */
export function storedBytes(frames: readonly ArchiveFrame[]): Buffer {
  const writer = new ArchiveWriter();
  return Buffer.concat([...frames.flatMap((frame) => writer.add(frame)), writer.end()]);
}

/** Returns the frames of stored bytes that arrive in chunks of these sizes, in turns. */
export function framesOf(stored: Buffer, sizes: readonly number[] = [stored.length]): ArchiveFrame[] {
  const reader = new ArchiveReader({ store: 's3', key: 'a/b/c' });
  const frames: ArchiveFrame[] = [];
  for (let at = 0, turn = 0; at < stored.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    frames.push(...reader.push(stored.subarray(at, at + size)));
    at += size;
  }
  reader.end();
  return frames;
}
