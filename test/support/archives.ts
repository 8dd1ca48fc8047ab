import { createHash } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';

import type { ArchiveContent, ArchiveReference } from '../../src/repository/records.ts';
import type { ArchiveFrame, ArchiveFrames, FramesEnd } from '../../src/stores/frame-store.ts';

export const archiveKeyOfTests = 'installation/ab/abc-1.tar.zst';

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Returns the reference to content that was written to `archiveKeyOfTests`. */
export function referenceTo(content: ArchiveContent, store = 'memory'): ArchiveReference {
  return { id: 'abc', store, key: archiveKeyOfTests, ...content };
}

/** Returns frames of at most `frameBytes` raw bytes, every second compressed. */
export function framesOf(raw: Buffer, frameBytes = 10_000): ArchiveFrame[] {
  const frames: ArchiveFrame[] = [];
  for (let at = 0; at < raw.length; at += frameBytes) {
    const bytes = raw.subarray(at, at + frameBytes);
    const isRaw = frames.length % 2 === 0;
    frames.push({
      encoding: isRaw ? 'raw' : 'zstd',
      rawLength: bytes.length,
      bytes: isRaw ? bytes : zstdCompressSync(bytes),
    });
  }
  return frames;
}

/** Frames that a test scripts: a batch for each call of `next`, or an error. */
export class ScriptedFrames implements ArchiveFrames {
  readonly passedFrames: ArchiveFrame[] = [];
  stops = 0;
  readonly #batches: (readonly ArchiveFrame[] | Error)[];
  readonly #end: FramesEnd;
  readonly #stopped = Promise.withResolvers<never>();
  #isEnded = false;

  constructor(batches: readonly (readonly ArchiveFrame[] | Error)[], end: FramesEnd) {
    this.#batches = [...batches];
    this.#end = end;
    this.#stopped.promise.catch(() => undefined);
  }

  /** Frames of these bytes. */
  static of(raw: Buffer, end: Partial<FramesEnd> = {}): ScriptedFrames {
    return new ScriptedFrames(
      framesOf(raw).map((frame) => [frame]),
      { rawBytes: raw.length, digest: sha256(raw), ...end },
    );
  }

  get end(): FramesEnd | undefined {
    return this.#isEnded ? this.#end : undefined;
  }

  async next(): Promise<readonly ArchiveFrame[]> {
    const batch = this.#batches.shift();
    if (batch instanceof Error) throw batch;
    if (batch === undefined) this.#isEnded = true;
    // An empty batch never arrives.
    return batch?.length === 0 ? await this.#stopped.promise : (batch ?? []);
  }

  passed(frame: ArchiveFrame): void {
    this.passedFrames.push(frame);
  }

  stop(): void {
    this.stops += 1;
    this.#stopped.reject(new Error('the frames were stopped'));
  }
}
