import type { Readable } from 'node:stream';

import { abortableChunks } from '../../internal/abortable-chunks.ts';
import { generatedReadable } from '../../internal/generated-readable.ts';

export interface ResumedReadSource {
  /** The bytes from the first offset on, which are open. */
  readonly opened: Readable;
  /** The first offset. */
  readonly offset: number;
  /** Opens the bytes from an offset on again. The signal covers all of them. */
  readonly open: (offset: number, signal: AbortSignal) => Promise<Readable>;
  /** Resolves when the read may continue after this failure, or rejects with the error that ends it. */
  readonly recover: (error: unknown, signal: AbortSignal) => Promise<void>;
  /** Called when bytes have arrived. */
  readonly progress: () => void;
  /** Ends `opened`, and everything that is opened later. */
  readonly abort: AbortController;
}

/** Returns a readable that continues at its offset after failures of its source. */
export function resumedRead(source: ResumedReadSource, signal: AbortSignal | undefined): Readable {
  return generatedReadable(chunksOf(source), { stop: (reason) => source.abort.abort(reason), signal });
}

async function* chunksOf(from: ResumedReadSource): AsyncGenerator<Uint8Array, void, undefined> {
  const { signal } = from.abort;
  let offset = from.offset;
  let source: Readable | undefined = from.opened;
  for (;;) {
    try {
      source ??= await from.open(offset, signal);
      for await (const chunk of abortableChunks<Uint8Array>(source, signal)) {
        if (chunk.length === 0) continue;
        offset += chunk.length;
        from.progress();
        yield chunk;
      }
      return;
    } catch (error) {
      source?.destroy();
      source = undefined;
      await from.recover(error, signal);
    }
  }
}
