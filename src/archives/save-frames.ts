import { ProtocolViolationError } from '../errors/connection.ts';
import { DigestMismatchError } from '../errors/transfer.ts';
import type { ArchiveFrames, FramesEnd } from '../stores/frame-store.ts';
import { ArchiveWriter } from './format/archive-writer.ts';
import { RawContent } from './raw-content.ts';

/**
 * Yields the stored bytes of an archive. Expands a copy of the frames, and yields the last bytes only
 * after the copy has the size and digest that the sender of the frames has computed.
 *
 * @throws DigestMismatchError, ProtocolViolationError
 */
export async function* saveFrames(
  frames: ArchiveFrames,
  progress: ((rawBytes: number) => void) | undefined,
): AsyncGenerator<Uint8Array> {
  const [writer, content] = [new ArchiveWriter(), new RawContent()];
  for (let batch = await frames.next(); batch.length > 0; batch = await frames.next())
    for (const frame of batch) {
      const stored = writer.add(frame);
      await expanded(content.add(frame));
      yield* stored;
      // The store has taken the bytes.
      frames.passed(frame);
      progress?.(writer.rawBytes);
    }
  while ((await expanded(content.take())) !== undefined);
  compare(content.end(), frames.end);
  yield writer.end();
}

async function expanded(raw: Promise<Uint8Array | undefined>): Promise<Uint8Array | undefined> {
  try {
    return await raw;
  } catch (cause) {
    throw new ProtocolViolationError('a frame of an archive is not zstd of its length', { cause });
  }
}

function compare(has: FramesEnd, sent: FramesEnd | undefined): void {
  if (sent === undefined) throw new Error('the frames have no end');
  if (has.rawBytes === sent.rawBytes && has.digest === sent.digest) return;
  throw new DigestMismatchError(
    { bytes: has.rawBytes },
    `the agent sent ${sent.rawBytes} bytes with SHA-256 ${sent.digest}, the received bytes are ${has.rawBytes} with ${has.digest}`,
  );
}
