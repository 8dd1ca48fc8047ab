import { ProtocolViolationError } from '../errors/connection.ts';
import { DigestMismatchError } from '../errors/transfer.ts';
import { freeBytes } from '../internal/free-bytes.ts';
import type { ArchiveFrames, FramesEnd } from '../stores/frame-store.ts';
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
      const raw = await expanded(content.add(frame));
      // Of an earlier frame, which the store has taken.
      if (raw !== undefined) freeBytes(raw);
      yield* stored;
      // The store has taken the bytes.
      frames.passed(frame);
      progress?.(writer.rawBytes);
    }
  for (let raw = await expanded(content.take()); raw !== undefined; raw = await expanded(content.take()))
    freeBytes(raw);
  compare(content.end(), frames.end);
  yield writer.end();
}
