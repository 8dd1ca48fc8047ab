import type { ArchiveFrames } from '../stores/frame-store.ts';
import { ArchiveWriter } from './format/archive-writer.ts';

export interface SaveFramesOptions {
  /** Whether the receiver uses chunks after it has asked for the next one. */
  readonly keepsChunks: boolean;
  readonly progress?: ((rawBytes: number) => void) | undefined;
}

/** Yields the stored bytes of an archive, the last of them only after the frames have ended. */
export async function* saveFrames(
  frames: ArchiveFrames,
  { keepsChunks, progress }: SaveFramesOptions,
): AsyncGenerator<Uint8Array> {
  const writer = new ArchiveWriter();
  for (let batch = await frames.next(); batch.length > 0; batch = await frames.next())
    for (const frame of batch) {
      const stored = writer.add(frame);
      yield* stored;
      // The store has taken the bytes.
      frames.passed(frame);
      if (!keepsChunks) frame.memory?.release();
      progress?.(writer.rawBytes);
    }
  yield writer.end();
}
