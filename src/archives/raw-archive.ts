import { ArchiveDamagedError } from '../errors/store.ts';
import type { ArchiveReference } from '../repository/records.ts';
import type { ArchiveFrames } from '../stores/frame-store.ts';
import { RawContent } from './raw-content.ts';

/**
 * Yields the raw bytes of a stored archive. Ends only after size and digest of the stored and of the
 * raw bytes were verified.
 *
 * @throws ArchiveDamagedError
 */
export async function* rawArchive(frames: ArchiveFrames, archive: ArchiveReference): AsyncGenerator<Uint8Array> {
  const content = new RawContent();
  for (let batch = await frames.next(); batch.length > 0; batch = await frames.next())
    for (const frame of batch) {
      const raw = await expanded(content.add(frame), archive);
      frame.memory?.release();
      if (raw !== undefined) yield raw;
    }
  for (;;) {
    const raw = await expanded(content.take(), archive);
    if (raw === undefined) break;
    yield raw;
  }
  const { digest } = content.end();
  if (digest !== archive.digest)
    throw new ArchiveDamagedError(archive, `its raw bytes have SHA-256 ${digest}, not ${archive.digest}`);
}

async function expanded(
  raw: Promise<Uint8Array | undefined>,
  archive: ArchiveReference,
): Promise<Uint8Array | undefined> {
  try {
    return await raw;
  } catch (cause) {
    throw new ArchiveDamagedError(archive, 'a frame is not zstd of its length', { cause });
  }
}
