import type { ArchiveFrames } from '../stores/frame-store.ts';
import { ArchiveWriter } from './format/archive-writer.ts';

/** Yields the stored bytes of an archive, the last of them only after the frames have ended. */
export async function* saveFrames(
  frames: ArchiveFrames,
  progress: ((rawBytes: number) => void) | undefined,
): AsyncGenerator<Uint8Array> {
  const writer = new ArchiveWriter();
  for (let batch = await frames.next(); batch.length > 0; batch = await frames.next())
    for (const frame of batch) {
      const stored = writer.add(frame);
      yield* stored;
      // The store has taken the bytes.
      frames.passed(frame);
      progress?.(writer.rawBytes);
    }
  yield writer.end();
}
